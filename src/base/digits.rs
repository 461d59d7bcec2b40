//! Numbers and bytes as text, put together on the stack: what is said of each request is made of dozens of them, and the
//! formatter costs each more than its digits.

/// Most digits of a number of 64 bits.
pub const DIGITS_MAX: usize = 20;

/// A number in decimal, in that room.
pub fn decimal(number: u64, room: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let (mut at, mut left) = (DIGITS_MAX, number);
    loop {
        at -= 1;
        room[at] = digit(left % 10);
        left /= 10;
        if left == 0 {
            return &room[at..];
        }
    }
}

/// Fills a place with the last digits of a number in decimal, with leading zeros.
pub fn write_fixed(place: &mut [u8], number: u64) {
    let mut left = number;
    for place in place.iter_mut().rev() {
        *place = digit(left % 10);
        left /= 10;
    }
}

/// Fills a place with two hexadecimal digits in lower case for each byte.
pub fn write_hex(place: &mut [u8], bytes: &[u8]) {
    for (place, byte) in place.as_chunks_mut().0.iter_mut().zip(bytes) {
        *place = PAIRS[usize::from(*byte)];
    }
}

/// Appends a number in decimal.
pub fn push_number(out: &mut String, number: u64) {
    push_ascii(out, decimal(number, &mut [0; DIGITS_MAX]));
}

/// Appends the last `N` digits of a number in decimal, with leading zeros.
pub fn push_fixed<const N: usize>(out: &mut String, number: u32) {
    let mut digits = [0; N];
    write_fixed(&mut digits, u64::from(number));
    push_ascii(out, &digits);
}

/// Appends 16 bytes as 32 hexadecimal digits.
pub fn push_hex(out: &mut String, bytes: &[u8; 16]) {
    let mut digits = [0; 32];
    write_hex(&mut digits, bytes);
    push_ascii(out, &digits);
}

/// Appends what was put together of digits and signs.
pub fn push_ascii(out: &mut String, digits: &[u8]) {
    // They always are.
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Both digits of each byte.
static PAIRS: [[u8; 2]; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [HEX[byte >> 4], HEX[byte & 15]];
        byte += 1;
    }
    pairs
};

fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_the_formatter_makes_of_them() {
        let ends = (0..20).flat_map(|exponent| {
            let power = 10_u64.pow(exponent);
            [power - 1, power, power + 1]
        });
        for number in ends.chain([u64::MAX]) {
            let mut out = "a".to_owned();
            push_number(&mut out, number);
            assert_eq!(out, format!("a{number}"));
        }
        for number in 0..2_000 {
            let mut out = String::new();
            push_fixed::<3>(&mut out, number);
            assert_eq!(out, format!("{:03}", number % 1_000));
        }
    }

    #[test]
    fn bytes_are_two_digits_each() {
        let bytes: [u8; 16] = std::array::from_fn(|n| u8::try_from(n * 17).unwrap());
        let mut out = String::new();
        push_hex(&mut out, &bytes);
        assert_eq!(out, "00112233445566778899aabbccddeeff");
    }
}
