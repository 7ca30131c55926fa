//! The denoiser: its network in tensors (`denoiser.rs`), and on the host with hand-derived passes. There its weights are one vector
//! (`layout.rs`), rows go forward and back (`forward_backward.rs`), weights get their gradient (`gradient.rs`), and a trained network
//! is applied (`frozen.rs`).

pub(super) mod denoiser;
pub(super) mod forward_backward;
pub(super) mod frozen;
pub(super) mod gradient;
pub(super) mod layout;
