//! Signatures according to [Standard Webhooks](https://www.standardwebhooks.com).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Prefix of a secret.
const PREFIX: &str = "whsec_";

/// Allowed length of a decoded secret according to the specification, in bytes.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret shared with a receiver. `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// A text is not a signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `whsec_` followed by 24 to 64 random bytes in Base64; generate one with `echo whsec_$(openssl rand -base64 32)`")]
pub struct BadSecret;

impl std::str::FromStr for SigningSecret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let bytes = text.strip_prefix(PREFIX).and_then(|base64| STANDARD.decode(base64).ok());
        bytes.filter(|bytes| LENGTH.contains(&bytes.len())).map(Self).ok_or(BadSecret)
    }
}

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl SigningSecret {
    /// The `webhook-signature` header of a message. `seconds` is its `webhook-timestamp` header.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        // Cannot fail: HMAC accepts keys of any length (RFC 2104).
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in [id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C3.

    use super::*;

    /// The test vector of the reference libraries.
    #[test]
    fn signatures_equal_those_of_the_reference_libraries() {
        let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn malformed_secrets_are_rejected_and_debug_prints_none() {
        let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "***");
        for wrong in
            ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_###", &format!("whsec_{}", "A".repeat(100))]
        {
            assert_eq!(wrong.parse::<SigningSecret>(), Err(BadSecret), "{wrong}");
        }
    }
}
