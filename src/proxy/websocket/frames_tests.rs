use super::*;
use proptest::prelude::*;

const MAX: u64 = 1_000;

fn from_client() -> Frames {
    Frames::new(Side::Client, 0, MAX)
}

/// A masked frame with that first byte and a payload of that length.
fn frame(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(MASKED | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(MASKED | 0x7e);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(MASKED | 0x7f);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([1, 2, 3, 4]);
    bytes.extend(std::iter::repeat_n(0x81, length));
    bytes
}

#[test]
fn messages_fragments_and_control_frames_between_them_pass() {
    let mut frames = from_client();
    let all =
        [frame(0x81, 5), frame(0x02, 300), frame(0x89, 125), frame(0x00, 0), frame(0x8a, 0), frame(0x80, 9)];
    for one in &all {
        frames.follow(one).unwrap();
        assert!(frames.is_between());
    }
    assert!(frames.take_carried_data());
    frames.follow(&frame(0x89, 3)).unwrap();
    assert!(!frames.take_carried_data(), "a ping is no use");
    assert!(!frames.is_closed());
    frames.follow(&frame(0x88, 2)).unwrap();
    assert!(frames.is_closed());
    assert_eq!(frames.follow(&frame(0x81, 1)), Err(Violation::Malformed), "nothing follows a close");
}

#[test]
fn ws_05_a_message_is_judged_by_what_its_headers_announce() {
    let mut frames = from_client();
    assert_eq!(frames.follow(&frame(0x82, 1_001)[..8]), Err(Violation::TooBig), "no byte of it has to come");
    let mut frames = from_client();
    frames.follow(&frame(0x02, 600)).unwrap();
    assert_eq!(frames.follow(&frame(0x80, 401)), Err(Violation::TooBig), "fragments add up");
    let mut frames = from_client();
    for _ in 0..10 {
        frames.follow(&frame(0x82, 1_000)).unwrap();
    }
    let mut endless = from_client();
    endless.follow(&frame(0x02, 1_000)).unwrap();
    for _ in 0..1_000 {
        endless.follow(&frame(0x00, 0)).unwrap();
    }
}

#[test]
fn what_is_no_frame_is_malformed_at_its_second_byte() {
    for (first, second) in [
        (0xc1, 0x81),
        (0x91, 0x81),
        (0xa1, 0x81),
        (0x83, 0x81),
        (0x87, 0x81),
        (0x8b, 0x81),
        (0x8f, 0x81),
        (0x81, 0x01),
        (0x80, 0x81),
        (0x09, 0x81),
        (0x08, 0x80),
        (0x89, 0xfe),
        (0x88, 0xff),
    ] {
        assert_eq!(from_client().follow(&[first, second]), Err(Violation::Malformed), "{first:x} {second:x}");
    }
    let mut frames = from_client();
    frames.follow(&frame(0x01, 1)).unwrap();
    assert_eq!(frames.follow(&[0x81, 0x81]), Err(Violation::Malformed), "a message inside a message");
    let mut server = Frames::new(Side::Server, 0, MAX);
    assert_eq!(server.follow(&[0x81, 0x81]), Err(Violation::Malformed), "a server masks nothing");
    for long in [
        [0x81, 0xfe, 0, 125, 0, 0, 0, 0].to_vec(),
        [&[0x81, 0xff][..], &[0; 6], &[255, 255, 0, 0, 0, 0]].concat(),
    ] {
        assert_eq!(from_client().follow(&long), Err(Violation::Malformed), "a length longer than it need be");
    }
    let huge = [&[0x81, 0xff, 0x80][..], &[0; 11]].concat();
    assert_eq!(from_client().follow(&huge), Err(Violation::Malformed));
}

#[test]
fn reserved_bits_pass_on_data_where_an_extension_uses_them() {
    let mut frames = Frames::new(Side::Client, 0x40, MAX);
    frames.follow(&frame(0xc1, 5)).unwrap();
    assert_eq!(frames.clone().follow(&frame(0xc9, 0)), Err(Violation::Malformed), "not on a ping");
    assert_eq!(frames.follow(&frame(0xa1, 5)), Err(Violation::Malformed));
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_the_verdict_is_the_same(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        frame_lengths in prop::collection::vec((0_usize..300, any::<bool>()), 0..6),
        cuts in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let mut all = Vec::new();
        for (length, ping) in frame_lengths {
            all.extend(if ping { frame(0x89, length.min(125)) } else { frame(0x82, length) });
        }
        all.extend(bytes);
        let mut whole = from_client();
        let verdict = whole.follow(&all);
        let mut pieces = from_client();
        let mut rest = &all[..];
        let mut found = Ok(());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() || found.is_err() {
                break;
            }
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            found = pieces.follow(piece);
            rest = left;
        }
        prop_assert_eq!(verdict, found);
        if verdict.is_ok() {
            prop_assert_eq!(whole.is_between(), pieces.is_between());
            prop_assert_eq!(whole.is_closed(), pieces.is_closed());
        }
    }
}
