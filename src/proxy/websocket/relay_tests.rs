use tokio::io::{DuplexStream, duplex};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn joined(early: &[u8]) -> (Relay<DuplexStream, DuplexStream>, DuplexStream, DuplexStream) {
    let (client, inner_client) = duplex(64);
    let (upstream, inner_upstream) = duplex(64);
    (Relay::new(inner_client, inner_upstream, early, 0, 1_000), client, upstream)
}

/// Lets the relay run beside what a test does.
async fn run<T>(
    relay: &mut Relay<DuplexStream, DuplexStream>,
    test: impl Future<Output = T>,
) -> Result<T, Ended> {
    tokio::select! {
        biased;
        done = test => Ok(done),
        ended = poll_fn(|cx| relay.poll(cx)) => Err(ended),
    }
}

async fn read(io: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    io.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn bytes_go_both_ways_and_are_counted_and_what_came_with_the_101_goes_first() {
    let (mut relay, mut client, mut upstream) = joined(&[0x81, 1, b'e']);
    let test = async {
        client.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'a']).await.unwrap();
        assert_eq!(read(&mut upstream, 7).await, [0x81, 0x81, 0, 0, 0, 0, b'a']);
        upstream.write_all(&[0x81, 1, b'b']).await.unwrap();
        assert_eq!(read(&mut client, 6).await, [0x81, 1, b'e', 0x81, 1, b'b']);
    };
    run(&mut relay, test).await.unwrap();
    assert_eq!(relay.tally(), Tally { up: 7, down: 6 });
    assert!(relay.take_use() && !relay.take_use());
    drop(upstream);
    assert_eq!(run(&mut relay, std::future::pending::<()>()).await, Err(Ended::By(Side::Server)));
    relay.close(Some(Code::InternalError), None, SOON).await;
    assert_eq!(read(&mut client, 4).await, [0x88, 2, 0x03, 0xf3]);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_side_that_does_not_read_slows_the_other_down() {
    let (mut relay, mut client, mut upstream) = joined(&[]);
    let header = [0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
    relay.up.frames = Frames::new(Side::Client, 0, u64::MAX);
    client.write_all(&header).await.unwrap();
    let mut sent = 0;
    let flood = async {
        loop {
            sent += client.write(&[0; 64]).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_millis(50), run(&mut relay, flood)).await.unwrap_err();
    assert!(sent < 4 * READ_BYTES_MAX, "{sent} bytes were taken of a socket that nobody reads");
    let whole = header.len() + sent;
    assert_eq!(run(&mut relay, read(&mut upstream, whole)).await.unwrap().len(), whole);
}

#[tokio::test]
async fn nothing_of_what_breaks_the_protocol_goes_on_and_both_are_told_where_a_frame_can_stand() {
    let (mut relay, mut client, mut upstream) = joined(&[]);
    client.write_all(&[0x81, 0x01, b'a']).await.unwrap();
    let ended = run(&mut relay, std::future::pending::<()>()).await;
    assert_eq!(ended, Err(Ended::Violation(Side::Client, Violation::Malformed)));
    let closing = relay.close(Some(Code::ProtocolError), Some(Code::GoingAway), SOON);
    let told = async {
        let told = (read(&mut client, 4).await, client.read(&mut [0; 1]).await.unwrap());
        assert_eq!(told, (vec![0x88, 2, 0x03, 0xea], 0));
        assert_eq!(upstream.read(&mut [0; 8]).await.unwrap(), 0, "its frame is broken off");
        drop((client, upstream));
    };
    tokio::join!(closing, told);

    let (mut relay, _client, mut upstream) = joined(&[]);
    upstream.write_all(&[0x81, 0x81]).await.unwrap();
    let ended = run(&mut relay, std::future::pending::<()>()).await;
    assert_eq!(ended, Err(Ended::Violation(Side::Server, Violation::Malformed)));
    let (mut relay, ..) = joined(b"HTTP/1.1 200 OK");
    assert_eq!(
        run(&mut relay, std::future::pending::<()>()).await,
        Err(Ended::Violation(Side::Server, Violation::Malformed))
    );
}

#[tokio::test]
async fn no_close_frame_is_put_inside_another_frame_or_behind_a_close() {
    for before in [&[0x81, 5, b'a'][..], &[0x88, 0]] {
        let (mut relay, mut client, mut upstream) = joined(&[]);
        let length = before.len();
        let test = async {
            upstream.write_all(before).await.unwrap();
            read(&mut client, length).await;
        };
        run(&mut relay, test).await.unwrap();
        let closing = relay.close(Some(Code::GoingAway), None, SOON);
        let told = async {
            assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
            drop((client, upstream));
        };
        tokio::join!(closing, told);
    }
}

#[tokio::test]
async fn a_farewell_that_nobody_takes_ends_in_time() {
    let (relay, _client, _upstream) = joined(&[]);
    relay.close(Some(Code::GoingAway), Some(Code::GoingAway), Duration::from_millis(20)).await;
}
