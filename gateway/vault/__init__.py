"""The media vault: files that customers send, kept beyond WhatsApp's short-lived links, sealed per person."""
