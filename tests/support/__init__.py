"""What tests share: files, servers, readers. Holds no test."""
