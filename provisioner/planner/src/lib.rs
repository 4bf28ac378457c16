//! Pure planning: render templates, compare with the inventory, check, estimate.
