//! A worker for Apache Flink whose Python functions run in sandboxes.
