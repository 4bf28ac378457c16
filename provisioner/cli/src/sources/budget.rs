//! How much memory and how many connections reading many backups may take.

/// Resident bytes that one verification takes at most, ranges in flight and the checking thread included.
const MEMORY_PER_READ: u64 = 64 << 20;
/// Connections that one download takes at most.
const CONNECTIONS_PER_READ: usize = 2;

/// Bounds of a survey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of memory.
    pub memory: u64,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            memory: 4 * MEMORY_PER_READ,
            connections: 8,
        }
    }
}

impl Budget {
    /// How many backups are read at once; never none.
    pub fn at_once(self) -> usize {
        let by_memory = usize::try_from(self.memory / MEMORY_PER_READ).unwrap_or(usize::MAX);
        by_memory
            .min(self.connections / CONNECTIONS_PER_READ)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_bound_decides() {
        for (memory, connections, at_once) in [
            (256, 8, 4),
            (1024, 4, 2),
            (128, 64, 2),
            (1, 1, 1),
            (0, 0, 1),
        ] {
            let budget = Budget {
                memory: memory << 20,
                connections,
            };
            assert_eq!(budget.at_once(), at_once, "{budget:?}");
        }
        assert_eq!(Budget::default().at_once(), 4);
    }
}
