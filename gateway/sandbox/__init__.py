"""The sandbox: a simulator of the WhatsApp Business API, spoken to over HTTP only."""
