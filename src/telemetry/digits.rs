//! Numbers and bytes as text, put together on the stack: a line is made of a dozen of them, and the formatter costs each
//! more than its digits.

/// Most digits of a number of 64 bits.
const DIGITS_MAX: usize = 20;

/// Appends a number in decimal.
pub fn push_number(out: &mut String, number: u64) {
    let mut digits = [b'0'; DIGITS_MAX];
    let (mut at, mut left) = (DIGITS_MAX, number);
    loop {
        at -= 1;
        digits[at] = decimal(left % 10);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    push_ascii(out, &digits[at..]);
}

/// Appends the last `N` digits of a number in decimal, with leading zeros.
pub fn push_fixed<const N: usize>(out: &mut String, number: u32) {
    let (mut digits, mut left) = ([b'0'; N], number);
    for digit in digits.iter_mut().rev() {
        *digit = decimal(u64::from(left % 10));
        left /= 10;
    }
    push_ascii(out, &digits);
}

/// Appends 16 bytes as 32 hexadecimal digits.
pub fn push_hex(out: &mut String, bytes: &[u8; 16]) {
    let mut digits = [0; 32];
    let mut at = 0;
    while at < bytes.len() {
        [digits[2 * at], digits[2 * at + 1]] = PAIRS[bytes[at] as usize];
        at += 1;
    }
    push_ascii(out, &digits);
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

fn decimal(digit: u64) -> u8 {
    b'0' + u8::try_from(digit).unwrap_or(0)
}

/// Appends what was put together of digits and signs.
pub(super) fn push_ascii(out: &mut String, digits: &[u8]) {
    out.push_str(std::str::from_utf8(digits).expect("digits and signs are ASCII"));
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
