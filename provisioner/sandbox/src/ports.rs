//! Ports on 127.0.0.1 that stay the same between runs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

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

/// The ports chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ports(BTreeMap<Port, u16>);

impl Ports {
    /// The ports used last, where they are still free, else new ones.
    pub(crate) fn kept(path: &Path, wanted: &[Port]) -> Result<Self> {
        let before: Self = files::read_json(path)?.unwrap_or_default();
        let ports = Self::claim(&before, wanted)?;
        if ports != before {
            files::write_json(path, &ports)?;
        }
        Ok(ports)
    }

    /// All ports are held until the last one is chosen, so that none is chosen twice.
    pub(crate) fn claim(before: &Self, wanted: &[Port]) -> Result<Self> {
        let mut held = Vec::with_capacity(wanted.len());
        let mut ports = BTreeMap::new();
        for &port in wanted {
            let (number, listener) = match before.0.get(&port).and_then(|&number| bind(number)) {
                Some(bound) => bound,
                None => free()?,
            };
            held.push(listener);
            ports.insert(port, number);
        }
        Ok(Self(ports))
    }

    /// The number of a port that was claimed; 0, which no server can be reached at, for one that was not.
    pub(crate) fn of(&self, port: Port) -> u16 {
        self.0.get(&port).copied().unwrap_or_default()
    }
}

fn bind(number: u16) -> Option<(u16, TcpListener)> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number))
        .ok()
        .map(|listener| (number, listener))
}

fn free() -> Result<(u16, TcpListener)> {
    let span = RANGE.end() - RANGE.start();
    for _ in 0..512 {
        let number = RANGE.start() + u16::from_le_bytes(secrets::random()?) % span;
        if let Some(bound) = bind(number) {
            return Ok(bound);
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
        let first = Ports::claim(&Ports::default(), &wanted)?;
        let again = Ports::claim(&first, &wanted)?;
        assert_eq!(first, again);
        let taken = bind(first.of(Port::Vault));
        let moved = Ports::claim(&first, &wanted)?;
        assert!(taken.is_some());
        assert_ne!(moved.of(Port::Vault), first.of(Port::Vault));
        assert_eq!(moved.of(Port::Moto), first.of(Port::Moto));
        Ok(())
    }
}
