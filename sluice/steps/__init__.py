"""What a project's flows are made from: deliver, transform, finish. Every lock, record, alert and exit code is here."""
