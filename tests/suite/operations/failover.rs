//! The database fails over.
