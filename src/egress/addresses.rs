//! Which addresses are on the public internet (rules C3 and G4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a name always refers to this machine (RFC 6761).
pub(crate) fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether an address is public: not of this machine, a private network or a special purpose according to the IANA registries (RFC 6890).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        // This network, private (10/8), loopback, multicast and reserved; carrier-grade NAT; link-local; private (172.16/12); protocol
        // assignments and documentation; 6to4 relays; private (192.168/16); benchmarks; documentation (twice).
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // The last 32 bits of a NAT64 address are an IPv4 address (RFC 6052).
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Only 2000::/3 is public. In it, 2001::/23 is for protocols such as Teredo, 2002::/16 (6to4) maps to IPv4 addresses, and
    // 2001:db8::/32 and 3fff::/20 are for documentation.
    let [first, second, ..] = segments;
    let special = match first {
        0x2001 => second < 0x200 || second == 0xdb8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    (0x2000..=0x3fff).contains(&first) && !special
}
