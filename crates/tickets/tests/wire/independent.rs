//! Our signatures, recovered by textbook arithmetic that shares no code with what made them.

use num_bigint::BigUint;
use proptest::prelude::*;
use tickets::{Address, PrivateKey, Signature, keccak256};

/// A point of secp256k1; `None` is the one at infinity.
type Point = Option<(BigUint, BigUint)>;

struct Curve {
    field: BigUint,
    order: BigUint,
    generator: Point,
}

fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).unwrap()
}

impl Curve {
    /// SEC 2, section 2.4.1.
    fn new() -> Self {
        let one = BigUint::from(1_u8);
        Self {
            field: (&one << 256) - (&one << 32) - BigUint::from(977_u32),
            order: number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),
            generator: Some((
                number("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
                number("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
            )),
        }
    }

    /// By Fermat: the modulus is a prime.
    fn inverse(number: &BigUint, modulus: &BigUint) -> BigUint {
        number.modpow(&(modulus - 2_u8), modulus)
    }

    fn minus(&self, a: &BigUint, b: &BigUint) -> BigUint {
        (a + &self.field - b % &self.field) % &self.field
    }

    fn add(&self, a: &Point, b: &Point) -> Point {
        let (Some((ax, ay)), Some((bx, by))) = (a, b) else {
            return a.as_ref().or(b.as_ref()).cloned();
        };
        let slope = if ax == bx {
            if ay != by {
                return None;
            }
            BigUint::from(3_u8) * ax * ax * Self::inverse(&(ay * 2_u8), &self.field)
        } else {
            self.minus(ay, by) * Self::inverse(&self.minus(ax, bx), &self.field)
        };
        let x = self.minus(&(&slope * &slope % &self.field), &((ax + bx) % &self.field));
        let y = self.minus(&(slope * self.minus(ax, &x) % &self.field), ay);
        Some((x, y))
    }

    fn times(&self, factor: &BigUint, point: &Point) -> Point {
        (0..factor.bits()).rev().fold(None, |sum, bit| {
            let doubled = self.add(&sum, &sum);
            if factor.bit(bit) { self.add(&doubled, point) } else { doubled }
        })
    }

    /// SEC 1, section 4.1.6.
    fn recover(&self, signature: &[u8; 65], digest: &[u8]) -> Address {
        let [r, s] = [&signature[..32], &signature[32..64]].map(BigUint::from_bytes_be);
        assert!(s <= &self.order >> 1, "high s");
        let odd = signature[64].checked_sub(27).unwrap() == 1;
        let square = (&r * &r * &r + BigUint::from(7_u8)) % &self.field;
        let root = square.modpow(&((&self.field + 1_u8) >> 2), &self.field);
        let y = if root.bit(0) == odd { root } else { &self.field - root };
        let e = BigUint::from_bytes_be(digest) % &self.order;
        let inverse = Self::inverse(&r, &self.order);
        let of_point = s * &inverse % &self.order;
        let of_generator = (&self.order - e) * inverse % &self.order;
        let key = self.add(
            &self.times(&of_point, &Some((r, y))),
            &self.times(&of_generator, &self.generator),
        );
        self.address(&key)
    }

    fn address(&self, key: &Point) -> Address {
        let (x, y) = key.as_ref().unwrap();
        let mut bytes = [0; 64];
        for (half, coordinate) in bytes.chunks_exact_mut(32).zip([x, y]) {
            let digits = coordinate.to_bytes_be();
            half[32 - digits.len()..].copy_from_slice(&digits);
        }
        Address::from_slice(&keccak256(bytes)[12..])
    }
}

/// EIP-191, spelled out.
fn digest(message: &[u8]) -> Vec<u8> {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    keccak256([prefix.as_bytes(), message].concat()).to_vec()
}

#[test]
fn networks_own_vector_recovers() {
    let signature = hex::decode(
        "206443228e8f784bc3a122de0d85eb3ebff82d6a79cca26c7eeb907099a6404f6dff57bc6828f28bd6cd073c89d94c\
         f3364204679ed8365fa45b5ee6af19a9841c",
    );
    let message = "b7da355477356fc4c47fcabcf232dc77a6db9b07b7e48b76261cc55cc8fbabb3";
    let digest = digest(&hex::decode(message).unwrap());
    let recovered = Curve::new().recover(&signature.unwrap().try_into().unwrap(), &digest);
    assert_eq!(recovered, "3BadDb1eeE2105893136A3F96c8a963E9C6309d6".parse::<Address>().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Both signing functions, any key, any message.
    #[test]
    fn signatures_recover(bytes: [u8; 32], message in prop::collection::vec(any::<u8>(), 0..120)) {
        let Ok(key) = PrivateKey::from_bytes(&bytes) else { return Ok(()) };
        let curve = Curve::new();
        let address = curve.address(&curve.times(&BigUint::from_bytes_be(&bytes), &curve.generator));
        prop_assert_eq!(key.address(), address);
        let signature = key.sign(&message).to_bytes();
        prop_assert_eq!(curve.recover(&signature, &digest(&message)), address);
        let hashed = key.sign_hashed(&message);
        let digest = digest(keccak256(&message).as_slice());
        prop_assert_eq!(curve.recover(&hashed.to_bytes(), &digest), address);
        prop_assert_eq!(Signature::from_wire(&hashed.to_bytes()), Ok(hashed));
    }
}
