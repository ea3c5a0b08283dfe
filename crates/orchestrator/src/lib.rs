//! The Livepeer wire between a gateway and an orchestrator: messages, client, server.
