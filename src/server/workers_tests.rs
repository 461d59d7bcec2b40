use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc as std_mpsc;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// A connected pair; the near end does not block.
fn pair() -> (Socket, Socket, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = Socket::connect(listener.local_addr().unwrap()).unwrap();
    far.set_read_timeout(Some(LONG)).unwrap();
    let (near, peer) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    (near, far, peer)
}

/// Whether the other end has been closed by now or in time.
fn closed(far: &mut Socket) -> bool {
    matches!(far.read(&mut [0]), Ok(0) | Err(_))
}

struct Bench {
    workers: Workers,
    metrics: Arc<Metrics>,
    limits: Arc<Limits>,
    /// Which worker took a connection, and how many it had taken before.
    taken: std_mpsc::Receiver<(usize, u32)>,
}

impl Bench {
    /// Workers that keep every connection until the end.
    fn new(workers: usize, connections_max: usize) -> Self {
        let metrics = Arc::new(Metrics::new("test"));
        let (tell, taken) = std_mpsc::channel();
        let limits = Limits::new(connections_max);
        let state = |index| Rc::new((index, Cell::new(0)));
        let workers = Workers::start_under(
            Arc::clone(&limits),
            "test",
            workers,
            Arc::clone(&metrics),
            state,
            move |state, stream, _, shutdown| {
                tell.send((state.0, state.1.replace(state.1.get() + 1))).ok();
                async move {
                    shutdown.reaches(Phase::Draining).await;
                    drop(stream);
                }
            },
        )
        .unwrap();
        Self { workers, metrics, limits, taken }
    }

    fn taken(&self) -> (usize, u32) {
        self.taken.recv_timeout(LONG).unwrap()
    }
}

#[test]
fn each_socket_goes_to_the_worker_with_the_fewest_and_finds_its_state() {
    let bench = Bench::new(3, 100);
    let far: Vec<_> = (0..9)
        .map(|_| {
            let (near, far, peer) = pair();
            bench.workers.gate().admit(near, peer);
            far
        })
        .collect();
    let mut taken: Vec<_> = (0..9).map(|_| bench.taken()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..3).flat_map(|w| (0..3).map(move |n| (w, n))).collect::<Vec<_>>());
    assert_eq!((bench.workers.gate().open(), bench.metrics.connections.get()), (9, 9));
    drop(far);
}

#[test]
fn sl_10_connections_over_the_limit_are_closed_at_once_and_counted() {
    let bench = Bench::new(2, 3);
    let gate = bench.workers.gate();
    let mut kept = Vec::new();
    for _ in 0..3 {
        let (near, far, peer) = pair();
        gate.admit(near, peer);
        kept.push(far);
    }
    let (near, mut far, peer) = pair();
    gate.admit(near, peer);
    assert!(closed(&mut far));
    assert_eq!((gate.open(), bench.metrics.connections_refused("too_many")), (3, 1));
    bench.limits.set_connections_max(4);
    let (near, far, peer) = pair();
    gate.admit(near, peer);
    kept.push(far);
    (0..4).for_each(|_| assert!(bench.taken().0 < 2));
    assert_eq!(bench.metrics.connections_refused("too_many"), 1);
}

#[test]
fn workers_end_when_they_are_told_to_drain_and_nothing_is_left() {
    let Bench { mut workers, metrics, taken, .. } = Bench::new(2, 10);
    let (near, mut far, peer) = pair();
    workers.gate().admit(near, peer);
    taken.recv_timeout(LONG).unwrap();
    workers.advance(Phase::Draining);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, workers.ended()).await }).unwrap();
    assert!(closed(&mut far));
    assert!(workers.join());
    assert_eq!(metrics.connections.get(), 0);
}

#[test]
fn a_panic_in_a_connection_is_counted_out_and_the_worker_lives() {
    let metrics = Arc::new(Metrics::new("test"));
    let (tell, told) = std_mpsc::channel();
    let options = Options { name: "test", workers: 1, connections_max: 10 };
    let mut workers = Workers::start(
        options,
        Arc::clone(&metrics),
        |_| Rc::new(Cell::new(0)),
        move |state, _, _, _| {
            let tell = tell.clone();
            async move {
                let n = state.replace(state.get() + 1);
                assert_ne!(n, 0, "a defect in the first connection");
                tell.send(n).ok();
            }
        },
    )
    .unwrap();
    let far: Vec<_> = (0..2)
        .map(|_| {
            let (near, far, peer) = pair();
            workers.gate().admit(near, peer);
            far
        })
        .collect();
    assert_eq!(told.recv_timeout(LONG).unwrap(), 1);
    workers.advance(Phase::Draining);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, workers.ended()).await }).unwrap();
    assert!(workers.join());
    assert_eq!(metrics.connections.get(), 0);
    drop(far);
}

#[test]
fn a_worker_has_the_stack_that_scripts_need() {
    fn deep(n: usize) -> usize {
        let pad = std::hint::black_box([n; 128]);
        if n == 0 { 0 } else { deep(n - 1) + pad[n % 128] / n }
    }
    let (tell, told) = std_mpsc::channel();
    let options = Options { name: "test", workers: 1, connections_max: 1 };
    let state = move |_| {
        // About 4 MiB in a debug build; a thread's default is 2.
        tell.send(deep(3_500)).ok();
        Rc::new(())
    };
    let _workers =
        Workers::start(options, Arc::new(Metrics::new("test")), state, |_, _, _, _| async {}).unwrap();
    assert_eq!(told.recv_timeout(LONG).unwrap(), 3_500);
}

/// Names the process that this test starts: itself, with few file descriptors.
const STARVED: &str = "PLUGINMIND_TEST_STARVED";

#[test]
fn pr_03_without_file_descriptors_the_gateway_waits_and_recovers() {
    if std::env::var_os(STARVED).is_some() {
        return starved();
    }
    let name = "server::workers::tests::pr_03_without_file_descriptors_the_gateway_waits_and_recovers";
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --exact \"$1\" --nocapture --test-threads=1"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(STARVED, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = lines.find_map(|line| line.split_once("port=")?.1.parse::<u16>().ok()).unwrap();
    let connect = || {
        let far = Socket::connect(("127.0.0.1", port)).unwrap();
        far.set_read_timeout(Some(LONG)).unwrap();
        far
    };
    // More than there are descriptors: the rest wait in the kernel, until it is told that there is nothing to have.
    let flood: Vec<_> = (0..100).map(|_| connect()).collect();
    assert!(lines.any(|line| line.contains("starved")), "the shortage is told");
    drop(flood);
    let mut far = connect();
    far.write_all(b"?").unwrap();
    let mut answer = [0];
    far.read_exact(&mut answer).expect("it has recovered");
    drop((far, child.stdin.take()));
    let told = lines.filter(|line| line.contains("starved")).count();
    assert!(child.wait().unwrap().success());
    assert_eq!(told, 0, "told once in a while, not each time");
}

/// Echoes one byte on each connection until its standard input closes; says its port and when accepts fail.
fn starved() {
    struct Say;
    impl std::io::Write for Say {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if String::from_utf8_lossy(bytes).contains("cannot be accepted") {
                println!("starved");
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = crate::config::Log {
        level: crate::config::Level::Info,
        format: crate::config::Format::Json,
        access: true,
        queue_max: 100,
    };
    let sink = crate::telemetry::sink::Sink::new(Say, 100).unwrap();
    let form = crate::telemetry::logs::Form::Json;
    let (_logs, subscriber) =
        crate::telemetry::logs::Logs::to(sink, form, &config, crate::base::clock::Clock::System);
    let _guard = tracing::subscriber::set_default(subscriber);
    let options = Options { name: "test", workers: 1, connections_max: 1_000 };
    let metrics = Arc::new(Metrics::new("test"));
    let workers = Workers::start(
        options,
        metrics,
        |_| Rc::new(()),
        |_, mut stream, _, _| async move {
            let mut byte = [0];
            if tokio::io::AsyncReadExt::read_exact(&mut stream, &mut byte).await.is_ok() {
                tokio::io::AsyncWriteExt::write_all(&mut stream, &byte).await.ok();
            }
        },
    )
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = crate::server::listen::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    println!("\nport={}", listener.local_addr().unwrap().port());
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        io::stdin().read_to_end(&mut Vec::new()).ok();
        tell.send(()).ok();
    });
    runtime.block_on(workers.gate().accept(listener, async { drop(told.await) })).unwrap();
}

#[test]
fn a_worker_that_cannot_make_its_state_fails_the_start() {
    let options = Options { name: "test", workers: 2, connections_max: 10 };
    let state = |index| {
        assert_ne!(index, 1, "a defect");
        Rc::new(())
    };
    assert!(Workers::start(options, Arc::new(Metrics::new("test")), state, |_, _, _, _| async {}).is_err());
}
