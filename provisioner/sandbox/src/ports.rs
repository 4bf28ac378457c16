//! Ports on 127.0.0.1 that stay the same between runs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::{files, secrets};

/// Below the range from which Linux takes the ports of outgoing connections, so that none of those takes one of ours
/// while the sandbox is down.
const RANGE: std::ops::RangeInclusive<u16> = 20_000..=32_000;

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Port {
    Vault,
    VaultCluster,
    WeedMaster,
    WeedMasterGrpc,
    WeedVolume,
    WeedVolumeGrpc,
    WeedFiler,
    WeedFilerGrpc,
    WeedS3,
    WeedS3Grpc,
    WeedAdmin,
    WeedAdminGrpc,
    WeedMetrics,
    Moto,
    Etcd,
    EtcdPeer,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kwok,
    StandIn,
}

impl Port {
    pub(crate) const VAULT: &[Self] = &[Self::Vault, Self::VaultCluster];
    pub(crate) const WEED: &[Self] = &[
        Self::WeedMaster,
        Self::WeedMasterGrpc,
        Self::WeedVolume,
        Self::WeedVolumeGrpc,
        Self::WeedFiler,
        Self::WeedFilerGrpc,
        Self::WeedS3,
        Self::WeedS3Grpc,
        Self::WeedAdmin,
        Self::WeedAdminGrpc,
        Self::WeedMetrics,
    ];
    pub(crate) const MOTO: &[Self] = &[Self::Moto];
    pub(crate) const CONTROL_PLANE: &[Self] = &[
        Self::Etcd,
        Self::EtcdPeer,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kwok,
    ];

    pub(crate) fn all() -> Vec<Self> {
        [
            Self::VAULT,
            Self::WEED,
            Self::MOTO,
            Self::CONTROL_PLANE,
            &[Self::StandIn],
        ]
        .concat()
    }
}

/// The ports chosen; nobody else chooses one of them while the value lives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Ports {
    numbers: BTreeMap<Port, u16>,
    #[serde(skip)]
    _claims: Arc<Vec<Claim>>,
}

impl Ports {
    /// The ports used last, where they are still free, else new ones.
    pub(crate) fn kept(path: &Path, wanted: &[Port]) -> Result<Self> {
        let before: Self = files::read_json(path)?.unwrap_or_default();
        let ports = Self::claim(&before, wanted)?;
        if ports.numbers != before.numbers {
            files::write_json(path, &ports)?;
        }
        Ok(ports)
    }

    pub(crate) fn claim(before: &Self, wanted: &[Port]) -> Result<Self> {
        let mut claims = Vec::with_capacity(wanted.len());
        let mut numbers = BTreeMap::new();
        for &port in wanted {
            let kept = before.numbers.get(&port).copied();
            let (number, claim) = match kept.and_then(|number| Some((number, Claim::of(number)?))) {
                Some(claimed) => claimed,
                None => free()?,
            };
            claims.push(claim);
            numbers.insert(port, number);
        }
        Ok(Self {
            numbers,
            _claims: Arc::new(claims),
        })
    }

    /// The number of a port that was claimed; 0, which no server can be reached at, for one that was not.
    pub(crate) fn of(&self, port: Port) -> u16 {
        self.numbers.get(&port).copied().unwrap_or_default()
    }
}

/// A port that is ours although its server does not listen yet: the servers start one after the other, and another
/// sandbox that starts meanwhile would find the later ones' ports free.
///
/// It is a name in the abstract namespace of Unix sockets, which belongs to the network namespace as ports do and ends
/// with the process.
#[derive(Debug)]
struct Claim {
    _name: UnixDatagram,
}

impl Claim {
    /// Nothing when somebody else claimed the port or listens on it.
    fn of(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("rebuild-sandbox-port-{number}")).ok()?;
        let name = UnixDatagram::bind_addr(&name).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { _name: name })
    }
}

fn free() -> Result<(u16, Claim)> {
    let span = RANGE.end() - RANGE.start();
    for _ in 0..512 {
        let number = RANGE.start() + u16::from_le_bytes(secrets::random()?) % span;
        if let Some(claim) = Claim::of(number) {
            return Ok((number, claim));
        }
    }
    Err(Error::NoPort(RANGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_ports_stay_and_taken_ones_move() -> Result<()> {
        let wanted = Port::all();
        let mut first = Ports::claim(&Ports::default(), &wanted)?;
        first._claims = Arc::default();
        let mut again = Ports::claim(&first, &wanted)?;
        assert_eq!(first.numbers, again.numbers);
        again._claims = Arc::default();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first.of(Port::Vault)));
        let moved = Ports::claim(&first, &wanted)?;
        assert!(taken.is_ok());
        assert_ne!(moved.of(Port::Vault), first.of(Port::Vault));
        assert_eq!(moved.of(Port::Moto), first.of(Port::Moto));
        Ok(())
    }

    #[test]
    fn two_that_start_at_once_share_no_port() -> Result<()> {
        let wanted = Port::all();
        let first = Ports::claim(&Ports::default(), &wanted)?;
        let second = Ports::claim(&first, &wanted)?;
        let numbers: std::collections::BTreeSet<u16> = first
            .numbers
            .values()
            .chain(second.numbers.values())
            .copied()
            .collect();
        assert_eq!(numbers.len(), 2 * wanted.len());
        Ok(())
    }
}
