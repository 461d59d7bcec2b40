//! TLS for clients: who is shown what, who gets in, and what an edit of certificates does to those who are there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::harness::tls::{Authority, Client, Pair};
use crate::harness::{Connection, Gateway, Setup, Upstream};

const ROUTES: &str = r#"
[rate_limit]
ip_per_minute = 1_000_000
ip_burst = 1_000_000

[[routes]]
name = "open"
path = "/open"
auth = "none"
respond = { status = 200, text = "open" }
"#;

/// A certificate for the first name and, where there is a second pair, one more.
fn setup(tls: &str, pair: &Pair) -> Setup {
    let config = format!(
        "{ROUTES}\n[server.tls]\ncertificate = \"tls/a.pem\"\nkey = \"tls/a.key\"\n{tls}\n[server]\n"
    );
    Setup::new(&config).file("tls/a.pem", &pair.certificate).file("tls/a.key", &pair.key)
}

fn open(gateway: &Gateway, client: &Client, host: &str) -> String {
    client.get(gateway.public, host, "/open").map_or_else(|e| e.to_string(), |answer| answer.text())
}

fn failures(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric(&format!("pluginmind_tls_handshake_failures_total{{reason=\"{reason}\"}}"))
}

/// The lines of a request's head that speak of certificates.
fn cert_headers(request: &str) -> Vec<String> {
    let lines = request.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.split(':').next().unwrap_or_default().contains("cert"))
        .map(str::to_owned)
        .collect()
}

const GET_OPEN: &str = "GET /open HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn both_versions_are_spoken_and_older_ones_are_not() {
    let authority = Authority::new("ca");
    let gateway = setup("", &authority.server(&["a.example"])).start();
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let client = Client::with(&authority, None, &[version], |_| ());
        let mut connection = client.connect(gateway.public, "a.example").unwrap();
        assert_eq!(connection.version(), number);
        assert_eq!(connection.tls().alpn_protocol(), Some(&b"http/1.1"[..]));
        for _ in 0..2 {
            connection.send(GET_OPEN).unwrap();
            assert_eq!(connection.read().unwrap().text(), "open");
        }
    }
    // A hello of TLS 1.1: the version of the record and of the hello, and a suite of its time.
    let mut old = TcpStream::connect(gateway.public).unwrap();
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    old.write_all(&[&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()).unwrap();
    let mut alert = Vec::new();
    old.read_to_end(&mut alert).unwrap();
    assert_eq!(alert[..6], [21, 3, 3, 0, 2, 2], "a fatal alert (RFC 8446 section 6), and nothing else");
    assert_eq!(alert.len(), 7);
    gateway.until("it is counted", |g| failures(g, "version") == 1.0);
    assert!(gateway.metric("pluginmind_tls_handshakes_total{kind=\"full\"}") >= 2.0);
}

#[test]
fn a_newer_least_version_turns_older_clients_away() {
    let authority = Authority::new("ca");
    let gateway = setup("min_version = \"1.3\"", &authority.server(&["a.example"])).start();
    let old = Client::with(&authority, None, &[&TLS12], |_| ());
    assert!(old.connect(gateway.public, "a.example").is_err());
    assert_eq!(open(&gateway, &Client::new(&authority, None), "a.example"), "open");
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let authority = Authority::new("ca");
    let (a, b) = (authority.server(&["a.example"]), authority.server(&["b.example", "*.b.example"]));
    let gateway = setup("certificates = [{ certificate = \"tls/b.pem\", key = \"tls/b.key\" }]", &a)
        .file("tls/b.pem", &b.certificate)
        .file("tls/b.key", &b.key)
        .start();
    let client = Client::new(&authority, None);
    for (name, shown) in [("a.example", &a), ("B.Example", &b), ("x.b.example", &b)] {
        assert_eq!(client.connect(gateway.public, name).unwrap().shown(), *shown.der(), "{name}");
    }
    // Nobody has this name: the first certificate is shown, and the client does not believe it.
    assert!(client.connect(gateway.public, "c.example").is_err());
    gateway.until("the refusal is counted", |g| failures(g, "alert") == 1.0);

    // A connection that asked for one name carries no request for another.
    let mut connection = client.connect(gateway.public, "a.example").unwrap();
    connection.send("GET /open HTTP/1.1\r\nHost: b.example\r\n\r\n").unwrap();
    let answer = connection.read().unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (421, "MISDIRECTED_REQUEST"));
    connection.send(GET_OPEN).unwrap();
    assert_eq!(connection.read().unwrap().status, 200);
}

#[test]
fn h2_17_sessions_are_resumed_and_early_data_is_not_offered() {
    let authority = Authority::new("ca");
    let gateway = setup("", &authority.server(&["a.example"])).start();
    for version in [&TLS12, &TLS13] {
        let client = Client::with(&authority, None, &[version], |config| config.enable_early_data = true);
        let mut first = client.connect(gateway.public, "a.example").unwrap();
        first.send(GET_OPEN).unwrap();
        first.read().unwrap();
        assert!(!first.is_resumed());
        let mut again = client.begin("a.example");
        assert!(again.early_data().is_none(), "a ticket that allows early data would give a place to put it");
        let mut second = client.connect(gateway.public, "a.example").unwrap();
        second.send(GET_OPEN).unwrap();
        assert_eq!(second.read().unwrap().text(), "open");
        assert!(second.is_resumed(), "{version:?}");
    }
    assert_eq!(gateway.metric("pluginmind_tls_handshakes_total{kind=\"resumed\"}"), 2.0);
}

#[test]
fn a_renewed_certificate_is_shown_within_a_second_and_open_connections_stay() {
    let authority = Authority::new("ca");
    let first = authority.server(&["a.example"]);
    let gateway = setup("", &first).start();
    let client = Client::new(&authority, None);
    let mut open = client.connect(gateway.public, "a.example").unwrap();
    assert_eq!(open.shown(), *first.der());
    let shows = |pair: &Pair| {
        let saved = Instant::now();
        gateway.until("the renewed certificate is shown", |g| {
            client.connect(g.public, "a.example").is_ok_and(|c| c.shown() == *pair.der())
        });
        assert!(saved.elapsed() < Duration::from_secs(1), "{:?}", saved.elapsed());
    };
    // Written in place, as acme.sh does.
    let second = authority.server(&["a.example"]);
    fs::write(gateway.at("tls/a.pem"), &second.certificate).unwrap();
    fs::write(gateway.at("tls/a.key"), &second.key).unwrap();
    shows(&second);
    // By a rename.
    let third = authority.server(&["a.example"]);
    gateway.save("tls/a.key", &third.key);
    gateway.save("tls/a.pem", &third.certificate);
    shows(&third);
    open.send(GET_OPEN).unwrap();
    assert_eq!(open.read().unwrap().text(), "open", "the connection of before goes on");
    let metric = "pluginmind_tls_certificate_expiry_timestamp_seconds{name=\"a.example\"}";
    assert!(gateway.metric(metric) > 0.0);
}

#[test]
fn a_certificate_that_is_swapped_by_its_link_is_shown() {
    let authority = Authority::new("ca");
    let pairs = [authority.server(&["a.example"]), authority.server(&["a.example"])];
    let config =
        format!("{ROUTES}\n[server.tls]\ncertificate = \"live/tls.crt\"\nkey = \"live/tls.key\"\n[server]\n");
    let mut setup = Setup::new(&config);
    for (n, pair) in pairs.iter().enumerate() {
        setup = setup
            .file(&format!("live/..v{n}/tls.crt"), &pair.certificate)
            .file(&format!("live/..v{n}/tls.key"), &pair.key);
    }
    // As Kubernetes mounts a secret: files are links into `..data`, which is a link that a rename swaps.
    let link =
        "cd live && ln -s ..v0 ..data && ln -s ..data/tls.crt tls.crt && ln -s ..data/tls.key tls.key; cd ..";
    let gateway = setup.shell(link).start();
    let client = Client::new(&authority, None);
    assert_eq!(client.connect(gateway.public, "a.example").unwrap().shown(), *pairs[0].der());
    symlink("..v1", gateway.at("live/..new")).unwrap();
    fs::rename(gateway.at("live/..new"), gateway.at("live/..data")).unwrap();
    gateway.until("the renewed certificate is shown", |g| {
        client.connect(g.public, "a.example").is_ok_and(|c| c.shown() == *pairs[1].der())
    });
}

#[test]
fn a_broken_pair_never_goes_live_and_is_told() {
    let authority = Authority::new("ca");
    let (first, second) = (authority.server(&["a.example"]), authority.server(&["a.example"]));
    let mut gateway = setup("", &first).start();
    let client = Client::new(&authority, None);
    gateway.save("tls/a.pem", &second.certificate);
    gateway.wait_for_log(|line| line.contains("a.key does not belong to the certificate"));
    assert_eq!(gateway.ask_admin("GET /ready", &[], b"").json()["policy"], "stale");
    assert_eq!(client.connect(gateway.public, "a.example").unwrap().shown(), *first.der());
    gateway.save("tls/a.pem", &second.certificate[..300]);
    gateway.wait_for_log(|line| line.contains("a.pem is broken PEM") || line.contains("a.pem holds no"));
    assert_eq!(client.connect(gateway.public, "a.example").unwrap().shown(), *first.der());
    gateway.save("tls/a.pem", &second.certificate);
    gateway.save("tls/a.key", &second.key);
    gateway.until("the whole pair is shown", |g| {
        client.connect(g.public, "a.example").is_ok_and(|c| c.shown() == *second.der())
    });
    let log = gateway.log().join("\n");
    assert!(second.key.lines().filter(|l| !l.starts_with('-')).all(|line| !log.contains(line)));
}

#[test]
fn tls_is_switched_on_and_off_by_an_edit() {
    let authority = Authority::new("ca");
    let pair = authority.server(&["a.example"]);
    let gateway =
        Setup::new(ROUTES).file("tls/a.pem", &pair.certificate).file("tls/a.key", &pair.key).start();
    let client = Client::new(&authority, None);
    let plain = gateway.config();
    assert_eq!(gateway.get("/open").text(), "open");
    let mut before = Connection::open(gateway.public);
    gateway.save(
        "config.toml",
        &format!("{plain}\n[server.tls]\ncertificate = \"tls/a.pem\"\nkey = \"tls/a.key\"\n"),
    );
    gateway.until("TLS is spoken", |g| open(g, &client, "a.example") == "open");
    before.send(GET_OPEN).unwrap();
    assert_eq!(before.read().unwrap().text(), "open", "a connection of before speaks as it began");
    gateway.save("config.toml", &plain);
    gateway.until("plain HTTP is spoken", |g| g.get("/open").status == 200);
}

#[test]
fn ad_05_what_cannot_be_verified_is_never_left_open() {
    let authority = Authority::new("ca");
    let pair = authority.server(&["a.example"]);
    let mutual = "client_ca = \"tls/ca.pem\"\nclient_auth = \"required\"";
    // At the start there is no last good policy: it does not start.
    for ca in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let folder = setup(mutual, &pair).file("tls/ca.pem", ca).folder();
        let output = crate::harness::gateway::verb(folder.path(), &["serve"], &[], None);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    let output = crate::harness::gateway::verb(setup(mutual, &pair).folder().path(), &["check"], &[], None);
    assert!(String::from_utf8_lossy(&output.stdout).contains("ca.pem is not there"), "{output:?}");

    let clients = Authority::new("clients");
    let mut gateway = setup(mutual, &pair).file("tls/ca.pem", &clients.pem()).start();
    let (known, nobody) =
        (Client::new(&authority, Some(&clients.client("robot"))), Client::new(&authority, None));
    assert_eq!(open(&gateway, &known, "a.example"), "open");
    assert_ne!(open(&gateway, &nobody, "a.example"), "open");
    fs::remove_file(gateway.at("tls/ca.pem")).unwrap();
    gateway.wait_for_log(|line| line.contains("ca.pem is not there"));
    assert_ne!(open(&gateway, &nobody, "a.example"), "open", "the last good policy stays");
    assert_eq!(open(&gateway, &known, "a.example"), "open");
    gateway.until("each is counted", |g| failures(g, "client_certificate") == 2.0);
}

#[test]
fn client_certificates_are_verified_each_time_and_named_to_rules_and_upstreams() {
    let authority = Authority::new("ca");
    let (clients, others) = (Authority::new("clients"), Authority::new("others"));
    let upstream = Upstream::hello();
    let config = format!(
        r#"
[server]
[server.tls]
certificate = "tls/a.pem"
key = "tls/a.key"
client_ca = "tls/ca.pem"
[[services]]
name = "app"
urls = ["http://{}"]
[[routes]]
path = "/app/*"
auth = "none"
service = "app"
[[rules]]
code = "cert.unknown"
on = "request"
mode = "enforce"
when = 'req.path.starts_with("/app/robots") && req.client_cert.subject != "CN=robot 7,O=Example"'
then = {{ deny = 403, message = "Robots only." }}
"#,
        upstream.address
    );
    let pair = authority.server(&["a.example"]);
    let gateway = Setup::new(&config)
        .file("tls/a.pem", &pair.certificate)
        .file("tls/a.key", &pair.key)
        .file("tls/ca.pem", &clients.pem())
        .start();
    let robot = Client::new(&authority, Some(&clients.client("robot 7")));
    let lookalike = Client::new(&authority, Some(&clients.lone_client("robot 7,O=Example")));
    let nobody = Client::new(&authority, None);
    let forged = "GET /app/robots HTTP/1.1\r\nHost: a.example\r\nX-Client-Cert-Subject: CN=robot 7,O=Example\r\nX_Client_Cert_Subject: x\r\nClient-Cert: :AAAA:\r\n\r\n";
    for (client, status) in [(&robot, 200), (&lookalike, 403), (&nobody, 403)] {
        assert_eq!(client.request(gateway.public, "a.example", forged).unwrap().status, status);
    }
    let told = cert_headers(&upstream.only());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&"x-client-cert-subject: CN=robot 7,O=Example".to_owned()), "{told:?}");
    // Optional: no certificate is fine, one of somebody else's is not.
    let open = forged.replace("robots", "all");
    assert_eq!(nobody.request(gateway.public, "a.example", &open).unwrap().status, 200);
    assert!(cert_headers(upstream.seen().last().unwrap()).is_empty());
    let stranger = Client::new(&authority, Some(&others.client("robot 7")));
    assert!(stranger.request(gateway.public, "a.example", &open).is_err());
    // Nobody is taken for who they were in an earlier handshake.
    let again = |client: &Client| {
        let mut connection = client.connect(gateway.public, "a.example").unwrap();
        connection.send(&open).unwrap();
        connection.read().unwrap();
        connection.is_resumed()
    };
    assert!(!again(&robot) && !again(&robot));
    let log = gateway.log().join("\n");
    assert!(!log.contains("robot 7"), "a name on a certificate is in no log");
}

#[test]
fn the_redirect_listener_only_sends_on_and_only_to_hosts_that_are_served() {
    let authority = Authority::new("ca");
    let port = crate::harness::gateway::free_port();
    let gateway =
        setup(&format!("redirect_listen = \"{port}\""), &authority.server(&["a.example", "*.w.example"]))
            .start();
    let public = gateway.public.port();
    let ask = |line: &str, host: &str| crate::harness::request(port, line, &[("Host", host)], b"");
    let answer = ask("GET /open?a=b%20c", "a.example");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), Some(format!("https://a.example:{public}/open?a=b%20c").as_str()));
    assert!(answer.header("x-request-id").is_some() && answer.header("x-content-type-options").is_some());
    assert_eq!(
        ask("POST /open", "x.w.example:8080").header("location").unwrap(),
        format!("https://x.w.example:{public}/open")
    );
    for host in ["evil.example", "a.example.evil", "a.b.w.example", "127.0.0.1"] {
        let answer = ask("GET /open", host);
        assert_eq!((answer.status, answer.code().as_str()), (421, "MISDIRECTED_REQUEST"), "{host}");
        assert!(answer.header("location").is_none());
    }
    for host in ["a.example/x", "a@b", "", "a.example\u{e9}"] {
        assert_eq!(ask("GET /open", host).status, 400, "{host}");
    }
    assert_eq!(ask("GET //evil.example/", "a.example").status, 400);
    let mut none = Connection::open(port);
    none.send("GET / HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(none.read().unwrap().status, 400);
}

#[test]
fn the_redirect_listener_comes_and_goes_with_an_edit() {
    let authority = Authority::new("ca");
    let port = crate::harness::gateway::free_port();
    let mut gateway = setup("", &authority.server(&["a.example"])).start();
    let without = gateway.config();
    let with =
        without.replace("key = \"tls/a.key\"", &format!("key = \"tls/a.key\"\nredirect_listen = \"{port}\""));
    gateway.save("config.toml", &with);
    gateway.until("it listens", |_| TcpStream::connect(port).is_ok());
    assert_eq!(crate::harness::request(port, "GET /", &[("Host", "a.example")], b"").status, 308);
    let taken = with.replace(&port.to_string(), &gateway.admin.to_string());
    gateway.save("config.toml", &taken);
    gateway.wait_for_log(|line| line.contains("redirect_listen"));
    assert!(TcpStream::connect(port).is_ok(), "the last good policy stays");
    gateway.save("config.toml", &without);
    gateway.until("it is gone", |_| TcpStream::connect(port).is_err());
}

#[test]
fn tls_takes_a_new_port_and_the_redirect_the_old_one_in_one_edit_and_back() {
    let authority = Authority::new("ca");
    let pair = authority.server(&["a.example"]);
    let config = format!("{ROUTES}\n[server]\n");
    let gateway =
        Setup::new(&config).file("tls/a.pem", &pair.certificate).file("tls/a.key", &pair.key).start();
    let client = Client::new(&authority, None);
    let (http, https) = (gateway.public, crate::harness::gateway::free_port());
    let plain = gateway.config();
    assert_eq!(gateway.get("/open").text(), "open");
    let tls = format!(
        "\n[server.tls]\ncertificate = \"tls/a.pem\"\nkey = \"tls/a.key\"\nredirect_listen = \"{http}\"\n"
    );
    gateway.save("config.toml", &(plain.replacen(&http.to_string(), &https.to_string(), 1) + &tls));
    gateway.until("TLS is spoken at the new port", |_| {
        client.get(https, "a.example", "/open").is_ok_and(|answer| answer.status == 200)
    });
    gateway.until("the old port sends on", |_| {
        crate::harness::request(http, "GET /", &[("Host", "a.example")], b"").status == 308
    });
    gateway.save("config.toml", &plain);
    gateway.until("the old port serves again", |g| {
        TcpStream::connect(https).is_err() && g.get("/open").text() == "open"
    });
}

#[test]
fn plain_http_on_the_tls_port_is_told_so_and_closed() {
    let authority = Authority::new("ca");
    let gateway = setup("", &authority.server(&["a.example"])).start();
    let answer = gateway.get("/open");
    assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_REQUEST"));
    assert!(answer.text().contains("HTTPS port"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(failures(&gateway, "plain_http"), 1.0);
    for junk in [&b"\0\0\0\0"[..], b"\x80\x2e\x01\x03\x01", b"\xff\xff"] {
        let mut connection = Connection::open(gateway.public);
        connection.send(junk).unwrap();
        assert!(connection.closes());
    }
    gateway.until("each is counted", |g| failures(g, "malformed") == 3.0);
}

#[test]
fn sl_06_a_handshake_that_stalls_is_given_up_and_one_in_pieces_is_not() {
    let authority = Authority::new("ca");
    let gateway = setup("handshake_timeout = \"400ms\"", &authority.server(&["a.example"])).start();
    let client = Client::new(&authority, None);
    let mut hello = Vec::new();
    let mut tls = client.begin("a.example");
    tls.write_tls(&mut hello).unwrap();
    // Nothing, one byte, half a hello, and a whole one whose answer is never answered.
    for length in [0, 1, hello.len() / 2, hello.len()] {
        let mut connection = Connection::open(gateway.public);
        connection.send(&hello[..length]).unwrap();
        let began = Instant::now();
        assert!(connection.closes(), "{length}");
        assert!(began.elapsed() < Duration::from_secs(5), "{length}: {:?}", began.elapsed());
    }
    gateway.until("each is counted", |g| failures(g, "timeout") == 4.0);
    // Each byte of the hello in a record of its own (RFC 8446 section 5.1 lets it be).
    let pieces: Vec<u8> = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    let mut stream = TcpStream::connect(gateway.public).unwrap();
    stream.write_all(&pieces).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).unwrap();
    }
    // A hello that says it is longer than any may be, and records without an end.
    for bytes in [&[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff][..], &[22, 3, 1, 0xff, 0xff]] {
        let mut connection = Connection::open(gateway.public);
        connection.send(bytes).unwrap();
        connection.send([0; 70_000]).ok();
        assert!(connection.closes());
    }
    assert_eq!(gateway.metric("pluginmind_panics_total "), 0.0);
    gateway.until("nobody is left", |g| g.metric("pluginmind_connections ") <= 2.0);
    assert_eq!(open(&gateway, &client, "a.example"), "open");
}

#[test]
fn https_is_known_to_cookies_hsts_origins_and_upstreams() {
    let authority = Authority::new("ca");
    let upstream = Upstream::hello();
    let config = format!(
        "[[services]]\nname = \"app\"\nurls = [\"http://{}\"]\n[[routes]]\npath = \"/app/*\"\nauth = \"optional\"\nservice = \"app\"\n[cors]\norigins = [\"https://other.example\"]\n",
        upstream.address
    );
    let pair = authority.server(&["a.example"]);
    let secret = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for (environment, production) in [("development", false), ("production", true)] {
        let text =
            format!("{config}[server]\n[server.tls]\ncertificate = \"tls/a.pem\"\nkey = \"tls/a.key\"\n");
        let gateway = Setup::new(&text)
            .file("tls/a.pem", &pair.certificate)
            .file("tls/a.key", &pair.key)
            .env("ENVIRONMENT", environment)
            .env("BACKEND_SESSION_SECRET", secret)
            .user("ann", "correct horse battery", &[])
            .shell("chmod 600 tls/a.key")
            .start();
        let client = Client::new(&authority, None);
        let answer = client.get(gateway.public, "a.example", "/live").unwrap();
        assert_eq!(answer.header("strict-transport-security").is_some(), production);
        let body = r#"{"username":"ann","password":"correct horse battery"}"#;
        let head = format!(
            "Host: a.example:{}\r\nContent-Type: application/json\r\nContent-Length: {}",
            gateway.public.port(),
            body.len()
        );
        let own = format!("https://a.example:{}", gateway.public.port());
        let sign_in = |origin: &str| {
            let text = format!("POST /auth/login HTTP/1.1\r\n{head}\r\nOrigin: {origin}\r\n\r\n{body}");
            client.request(gateway.public, "a.example", text).unwrap()
        };
        let answer = sign_in(&own);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let cookie = answer.header("set-cookie").unwrap();
        assert_eq!(cookie.contains("Secure"), production, "{cookie}");
        assert_eq!(sign_in(&own.replace("https", "http")).status, 403, "another scheme is another origin");
        client.get(gateway.public, "a.example", "/app/x").unwrap();
        let seen = upstream.seen().pop().unwrap();
        assert!(seen.contains("\r\nx-forwarded-proto: https\r\n"), "{seen}");
    }
}
