//! Services with several addresses, encrypted ones and unix sockets, behind the real binary.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::tls::{Authority, Pair};
use crate::harness::{Connection, Gateway, Setup, Upstream, client::compose, request};

/// An upstream that can be killed, connections and all, and comes back at the same address.
struct Mortal {
    address: SocketAddr,
    alive: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    posts: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Mortal {
    fn born() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), Arc::default(), Arc::default())
    }

    fn at(address: SocketAddr, requests: Arc<AtomicUsize>, posts: Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let alive = Arc::new(AtomicBool::new(true));
        let (lives, count, paid) = (Arc::clone(&alive), Arc::clone(&requests), Arc::clone(&posts));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !lives.load(Ordering::SeqCst) {
                    return;
                }
                let (lives, count, paid) = (Arc::clone(&lives), Arc::clone(&count), Arc::clone(&paid));
                std::thread::spawn(move || live(stream, &lives, &count, &paid));
            }
        });
        Self { address, alive, requests, posts, thread: Some(thread) }
    }

    /// Closes the listener; a connection is cut as soon as something comes on it.
    fn die(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        TcpStream::connect(self.address).ok();
        self.thread.take().unwrap().join().unwrap();
    }

    fn rise(&mut self) {
        *self = Self::at(self.address, Arc::clone(&self.requests), Arc::clone(&self.posts));
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads small requests whose body, if any, comes with the head, and answers them.
fn live(mut stream: TcpStream, alive: &AtomicBool, requests: &AtomicUsize, posts: &AtomicUsize) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut chunk = [0; 4_096];
    while let Ok(n) = stream.read(&mut chunk)
        && n > 0
    {
        requests.fetch_add(1, Ordering::SeqCst);
        posts.fetch_add(usize::from(chunk.starts_with(b"POST")), Ordering::SeqCst);
        if !alive.load(Ordering::SeqCst) {
            return;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok();
    }
}

fn service(urls: &[String], keys: &str) -> String {
    format!(
        "[[services]]\nname = \"up\"\nurls = {urls:?}\n{keys}\n\
         [[routes]]\nname = \"up\"\npath = \"/up/*\"\nservice = \"up\"\nauth = \"none\"\n\
         rate_limit = {{ ip_per_minute = 1000000, ip_burst = 1000000 }}\n"
    )
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn details(gateway: &Gateway) -> serde_json::Value {
    gateway.ask_admin("GET /admin/api/services", &[], b"").json()["services"][0].clone()
}

#[test]
fn killing_one_of_two_addresses_under_load_fails_no_get_and_the_other_gets_them_all() {
    let (mut mortal, other) = (Mortal::born(), Mortal::born());
    let gateway = Setup::new(&service(&[http(mortal.address), http(other.address)], "")).start();
    let (stop, sent, public) = (AtomicBool::new(false), AtomicUsize::new(0), gateway.public);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = Connection::open(public);
                while !stop.load(Ordering::SeqCst) {
                    connection.send(compose("GET /up/x", &[], b"")).unwrap();
                    let answer = connection.read().expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let until = |n: usize| {
            let deadline = Instant::now() + Duration::from_secs(20);
            while sent.load(Ordering::SeqCst) < n && Instant::now() < deadline {
                std::thread::yield_now();
            }
            assert!(sent.load(Ordering::SeqCst) >= n);
        };
        until(200);
        assert!(mortal.requests() > 20 && other.requests() > 20, "both have their share");
        mortal.die();
        let before = sent.load(Ordering::SeqCst);
        until(before + 400);
        mortal.rise();
        let back = mortal.requests();
        let deadline = Instant::now() + Duration::from_secs(20);
        while mortal.requests() < back + 20 {
            assert!(Instant::now() < deadline, "it never gets its share again: {}", details(&gateway));
            std::thread::yield_now();
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(gateway.metric("pluginmind_upstream_ejections_total{endpoint=\"") >= 1.0);
}

#[test]
fn up_01_a_post_is_sent_to_one_upstream_once_whatever_happens_to_it() {
    let (mut mortal, other) = (Mortal::born(), Mortal::born());
    let gateway = Setup::new(&service(&[http(mortal.address), http(other.address)], "")).start();
    // Both are known, with a kept connection each.
    for _ in 0..4 {
        assert_eq!(gateway.get("/up/x").status, 200);
    }
    mortal.die();
    let mut answered = 0;
    for _ in 0..40 {
        let answer = gateway.send("POST /up/pay", &[("Content-Type", "text/plain")], b"1 franc");
        assert!([200, 502].contains(&answer.status), "{}", answer.text());
        answered += usize::from(answer.status == 200);
    }
    let arrived = mortal.posts.load(Ordering::SeqCst) + other.posts.load(Ordering::SeqCst);
    // Those that reached the dying one have no answer and were not sent again; no other is missing.
    assert!(arrived <= 40, "{arrived} for 40");
    assert_eq!(other.posts.load(Ordering::SeqCst), answered);
    assert!(answered >= 38, "{answered} of 40");
}

#[test]
fn up_18_a_service_that_was_down_under_load_is_back_within_a_second() {
    let mut mortal = Mortal::born();
    let gateway = Setup::new(&service(&[http(mortal.address)], "")).start();
    assert_eq!(gateway.get("/up/x").status, 200);
    mortal.die();
    let (stop, public) = (AtomicBool::new(false), gateway.public);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let status = request(public, "GET /up/x", &[], b"").status;
                    assert!([200, 502, 503].contains(&status), "{status}");
                }
            });
        }
        let deadline = Instant::now() + Duration::from_secs(4);
        while Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(details(&gateway)["endpoints"][0]["circuit"], "open");
        mortal.rise();
        let began = Instant::now();
        while gateway.get("/up/x").status != 200 {
            assert!(began.elapsed() < Duration::from_secs(20));
        }
        let took = began.elapsed();
        stop.store(true, Ordering::SeqCst);
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
    let details = details(&gateway);
    assert_eq!((&details["status"], &details["endpoints"][0]["circuit"]), (&"up".into(), &"closed".into()));
}

#[test]
fn too_many_requests_at_once_are_told_when_to_come_again() {
    let (upstream, _hear) = Upstream::silent();
    let gateway = Setup::new(&service(&[http(upstream.address)], "requests_max = 1")).start();
    let mut held = Connection::open(gateway.public);
    held.send(compose("GET /up/x", &[], b"")).unwrap();
    gateway.until("one is in flight", |g| details(g)["in_flight"] == 1);
    let refused = gateway.get("/up/x");
    assert_eq!((refused.status, refused.code().as_str()), (503, "SERVICE_UNAVAILABLE"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(held);
    gateway.until("none is in flight", |g| details(g)["in_flight"] == 0);
}

#[test]
fn the_idle_address_is_preferred_to_the_busy_one() {
    let (busy, _hear) = Upstream::silent();
    let idle = Upstream::hello();
    let gateway = Setup::new(&service(&[http(busy.address), http(idle.address)], "")).start();
    let mut held = Connection::open(gateway.public);
    held.send(compose("GET /up/x", &[], b"")).unwrap();
    gateway.until("one is in flight", |g| details(g)["endpoints"][0]["in_flight"] == 1);
    for _ in 0..10 {
        assert_eq!(gateway.get("/up/x").status, 200);
    }
    assert_eq!(idle.seen().len(), 10);
}

#[test]
fn the_operator_sees_each_address_and_the_public_none() {
    let up = Upstream::hello();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config =
        service(&[http(up.address), http(dead)], "health = \"/health\"\nhealth_interval = \"100ms\"");
    let mut gateway = Setup::new(&config).start();
    gateway.until("both were asked", |g| {
        let endpoints = details(g)["endpoints"].clone();
        endpoints[0]["status"] == "up"
            && endpoints[1]["status"] == "down"
            && endpoints[1]["checked"].is_string()
    });
    assert_eq!(details(&gateway)["endpoints"][0]["url"], http(up.address));
    let text = gateway.ask_admin("GET /metrics", &[], b"").text();
    for (place, up) in [(1, 1), (2, 0)] {
        let line = format!("pluginmind_upstream_endpoint_up{{endpoint=\"{place}\",service=\"up\"}} {up}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    // Probes and metrics are asked without a token: they tell addresses by their place.
    let probe = gateway.ask_admin("GET /services/health", &[], b"").text();
    for told in [&probe, &text] {
        assert!(!told.contains(&dead.to_string()), "{told}");
    }
    let probe: serde_json::Value = serde_json::from_str(&probe).unwrap();
    let second = &probe["services"][0]["endpoints"][1];
    assert_eq!((&second["endpoint"], &second["status"]), (&2.into(), &"down".into()));
    assert!(text.contains("pluginmind_upstream_up{service=\"up\"} 1\n"), "{text}");
    for path in ["/services", "/services/health", "/ready"] {
        let public = gateway.get(path).text();
        assert!(!public.contains("127.0.0.1"), "{path}: {public}");
    }
    let line = gateway.wait_for_log(|l| l.contains("upstream fails its health check"));
    assert!(!line.contains(&dead.to_string()), "{line}");
    // An address that is gone from the file has no series any more.
    let without = gateway.config().replace(&format!(", {:?}", http(dead)), "");
    gateway.save("config.toml", &without);
    gateway.until("it is forgotten", |g| {
        !g.ask_admin("GET /metrics", &[], b"").text().contains("endpoint=\"2\"")
    });
}

#[test]
fn an_app_behind_a_unix_socket_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let app = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix").unwrap();
        String::from_utf8(head).unwrap()
    });
    let gateway = Setup::new(&service(&[format!("unix:{}", path.display())], "")).start();
    let answer = request(gateway.public, "GET /up/x", &[("Host", "app.example")], b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "unix"));
    let head = app.join().unwrap().to_ascii_lowercase();
    assert!(head.contains("\r\nhost: app.example\r\n"), "{head}");
}

#[test]
fn up_03_a_name_that_does_not_exist_is_a_502_and_the_log_says_so_without_it() {
    let name = "a".repeat(64);
    let mut gateway = Setup::new(&service(&[format!("http://{name}.invalid")], "")).start();
    let began = Instant::now();
    let answer = gateway.get("/up/x");
    assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"));
    assert!(began.elapsed() < Duration::from_secs(6), "within the connect timeout");
    let line = gateway.wait_for_log(|l| l.contains("upstream cannot be reached"));
    assert!(line.contains("has a name without an address") && !line.contains(&name), "{line}");
}

/// An app behind TLS that answers every connection once; gives the number of requests that it could read.
fn encrypted_app(pair: &Pair) -> (u16, Arc<AtomicUsize>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.der().clone()], key)
        .unwrap();
    let (config, requests) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            if stream.read(&mut [0; 4_096]).is_ok_and(|n| n > 0) {
                seen.fetch_add(1, Ordering::SeqCst);
                let raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nencrypted";
                stream.write_all(raw).and_then(|()| stream.flush()).ok();
            }
        }
    });
    (port, requests)
}

#[test]
fn an_encrypted_app_is_believed_as_long_as_the_operators_authority_vouches_for_it() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (port, requests) = encrypted_app(&ours.server(&["localhost"]));
    let config = service(&[format!("https://localhost:{port}")], "ca = \"ca.pem\"");
    let mut gateway = Setup::new(&config).file("ca.pem", &ours.pem()).start();
    assert_eq!(gateway.get("/up/x").text(), "encrypted");
    // The file is watched: who is no longer vouched for is no longer believed, and hears nothing.
    gateway.save("ca.pem", &theirs.pem());
    gateway.until("the other authority is in force", |g| g.generation() == 2);
    let before = requests.load(Ordering::SeqCst);
    let answer = gateway.get("/up/x");
    assert_eq!((answer.status, answer.code().as_str()), (502, "UPSTREAM_UNREACHABLE"));
    assert_eq!(requests.load(Ordering::SeqCst), before);
    let line = gateway.wait_for_log(|l| l.contains("upstream cannot be reached"));
    assert!(line.contains("certificate of an unknown authority") && !line.contains("localhost"), "{line}");
    assert!(!answer.text().contains("localhost"), "{}", answer.text());
    // A file that cannot be used leaves the last good one in force.
    gateway.save("ca.pem", "no certificate");
    gateway.wait_for_log(|l| l.contains("not a PEM file"));
    gateway.save("ca.pem", &ours.pem());
    gateway.until("ours is in force again", |g| g.get("/up/x").status == 200);
}

#[test]
fn an_encrypted_app_with_another_name_is_not_believed_unless_the_operator_says_so() {
    let authority = Authority::new("ours");
    let (port, requests) = encrypted_app(&authority.server(&["app.internal"]));
    let url = [format!("https://localhost:{port}")];
    let gateway = Setup::new(&service(&url, "ca = \"ca.pem\"")).file("ca.pem", &authority.pem()).start();
    assert_eq!(gateway.get("/up/x").status, 502);
    assert_eq!(requests.load(Ordering::SeqCst), 0);
    let named = gateway.config().replace("ca = \"ca.pem\"", "ca = \"ca.pem\"\ntls_name = \"app.internal\"");
    gateway.save("config.toml", &named);
    gateway.until("it is believed", |g| g.get("/up/x").status == 200);
}
