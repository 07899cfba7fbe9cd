//! Python functions of a DataFusion session, sandboxed.
