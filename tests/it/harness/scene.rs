//! A gateway under attack before a recording upstream, with the witness beside it: what every test of a row of THREATS
//! section 0.1 asserts.

use std::net::Shutdown;

use super::strict::{Message, canonical_target};
use super::{Answer, Connection, Gateway, Recorder, Setup, Witness};

/// What every attack of a scene carries, and no log may hold.
const CANARIES: &str = "Authorization: Bearer canary-token\r\nCookie: theme=canary-cookie\r\n";

const PASSWORD: &str = "correct horse battery";

/// Notes down what policy judged beside what is forwarded.
const RULE: &str =
    r#"fn on_upstream(req, up) { up.set_header("X-Judged", req.method + " " + req.path + " " + req.host); }"#;

/// The scene. [`Scene::end`] must be called: it is where the oracle speaks.
pub struct Scene {
    pub gateway: Gateway,
    pub recorder: Recorder,
    witness: Witness,
    expected: usize,
}

impl Scene {
    /// A gateway with one open route to the recorder, `/*`, and what `more` says.
    pub fn new(more: &str) -> Self {
        let recorder = Recorder::start();
        let limits = "[rate_limit]\nuser_per_minute = 60000\nip_per_minute = 60000\n";
        let config = format!("{more}\n{limits}{}", recorder.config("auth = \"none\""));
        let gateway = Setup::new(&config).plugin("judge", RULE).user("witness@a.test", PASSWORD, &[]).start();
        let witness = Witness::start(&gateway, "witness@a.test", PASSWORD);
        Self { gateway, recorder, witness, expected: 0 }
    }

    /// Sends the bytes: the first answer is a refusal with one of these statuses in the envelope, the connection ends, and
    /// nothing is forwarded.
    pub fn refused(&mut self, bytes: impl AsRef<[u8]>, statuses: &[u16]) {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let (answers, _) = self.send(bytes.as_ref());
        let [answer] = &answers[..] else { panic!("{} answers to {shown:?}: {answers:?}", answers.len()) };
        assert!(statuses.contains(&answer.status), "{} to {shown:?}", answer.status);
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        assert!(!answer.code().is_empty() && answer.header("x-frame-options").is_some(), "{shown:?}");
        assert_eq!(
            Some(answer.json()["error"]["correlation_id"].as_str().unwrap_or_default()),
            answer.header("x-request-id")
        );
        self.arrived(&[], &shown);
    }

    /// Sends the bytes: exactly these requests arrive upstream, `METHOD target body`, and each is answered with 200.
    pub fn passes(&mut self, bytes: impl AsRef<[u8]>, requests: &[&str]) -> Vec<Message> {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let (answers, _) = self.send(bytes.as_ref());
        let statuses: Vec<u16> = answers.iter().map(|a| a.status).collect();
        assert_eq!(statuses, vec![200; requests.len()], "{shown:?}");
        self.arrived(requests, &shown)
    }

    /// Sends the bytes and gives the statuses; what arrives must be these requests.
    pub fn answered(&mut self, bytes: impl AsRef<[u8]>, statuses: &[u16], requests: &[&str]) {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let (answers, _) = self.send(bytes.as_ref());
        assert_eq!(answers.iter().map(|a| a.status).collect::<Vec<_>>(), statuses, "{shown:?}");
        self.arrived(requests, &shown);
    }

    /// All answers to these bytes, and whether the gateway ended the connection before it was asked to.
    fn send(&self, bytes: &[u8]) -> (Vec<Answer>, bool) {
        let is_head = bytes.starts_with(b"HEAD ");
        let mut connection = Connection::open(self.gateway.public);
        // The gateway may refuse before it has read everything; what it says is read all the same.
        connection.send(bytes).ok();
        let mut answers = Vec::new();
        while let Some(answer) = if is_head { connection.read_head() } else { connection.read() } {
            let is_last = answer.header("connection") == Some("close");
            answers.push(answer);
            if is_last {
                connection.stream().shutdown(Shutdown::Write).ok();
                return (answers, connection.closes());
            }
        }
        (answers, true)
    }

    fn arrived(&mut self, requests: &[&str], shown: &str) -> Vec<Message> {
        let attack = |m: &Message| m.header("x-auth-request-user").is_none();
        let all: Vec<Message> = self.recorder.requests().into_iter().filter(attack).collect();
        let new = all[self.expected.min(all.len())..].to_vec();
        self.expected = all.len();
        let text = |m: &Message| {
            format!("{} {} {}", m.method, m.target, String::from_utf8_lossy(&m.body)).trim_end().to_owned()
        };
        assert_eq!(new.iter().map(text).collect::<Vec<_>>(), requests, "{shown:?}");
        for message in &new {
            let path = message.target.split('?').next().unwrap_or_default();
            let judged = message.header("x-judged").unwrap_or_default();
            let words: Vec<&str> = judged.split(' ').take(2).collect();
            assert_eq!(words, [message.method.as_str(), path], "{message:?}");
            assert_eq!(canonical_target(message).as_ref(), Some(&message.target), "{message:?}");
        }
        new
    }

    /// Ends the scene: the witness noticed nothing, the log is clean, nothing is left behind, and every byte upstream was
    /// part of a well-formed request.
    pub fn end(self) {
        let faults = self.witness.finish(&self.gateway, &self.recorder, &["canary"]);
        assert!(faults.is_empty(), "{faults:#?}");
        let faults = self.recorder.faults();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

/// A request with a host, the canaries, these header lines (each with its end) and a body.
pub fn attack(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a.test\r\n{CANARIES}{headers}\r\n{body}")
}

/// The same without `Connection: close`, as the second of two.
pub fn closing(line: &str, headers: &str, body: &str) -> String {
    attack(line, &format!("Connection: close\r\n{headers}"), body)
}
