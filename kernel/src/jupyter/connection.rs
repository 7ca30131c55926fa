//! The connection file that a client hands to its kernel.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jupyter_protocol::{ConnectionInfo, Transport};

/// Reads and checks it: signed messages only, on this machine only.
pub fn read(path: &Path) -> Result<ConnectionInfo> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let info: ConnectionInfo =
        serde_json::from_str(&text).with_context(|| format!("{} isn't a connection file", path.display()))?;
    check(&info)?;
    Ok(info)
}

fn check(info: &ConnectionInfo) -> Result<()> {
    if info.key.is_empty() {
        bail!(
            "found no key in the connection file, expected one: without it any user of this machine could run code as you"
        );
    }
    if info.signature_scheme != "hmac-sha256" {
        bail!("found the signature scheme {:?}, expected \"hmac-sha256\"", info.signature_scheme);
    }
    let here = info.ip == "localhost" || info.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if info.transport == Transport::TCP && !here {
        bail!(
            "found the address {}, expected one of this machine's own (127.0.0.1): cells run with your rights",
            info.ip
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ConnectionInfo {
        ConnectionInfo {
            ip: "127.0.0.1".into(),
            transport: Transport::TCP,
            shell_port: 1,
            iopub_port: 2,
            stdin_port: 3,
            control_port: 4,
            hb_port: 5,
            key: "key".into(),
            signature_scheme: "hmac-sha256".into(),
            kernel_name: None,
        }
    }

    #[test]
    fn only_signed_messages_on_this_machine_are_served() {
        assert!(check(&info()).is_ok());
        let refused = |change: &dyn Fn(&mut ConnectionInfo), word: &str| {
            let mut changed = info();
            change(&mut changed);
            let error = check(&changed).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(&|info| info.key.clear(), "no key");
        refused(&|info| info.ip = "0.0.0.0".into(), "0.0.0.0");
        refused(&|info| info.ip = "192.168.1.7".into(), "192.168.1.7");
        refused(&|info| info.signature_scheme = "hmac-md5".into(), "hmac-md5");
    }
}
