//! Runs a plan: providers, scheduler, journal, resume, lock, budgets, events.
