//! Programs that print in the formats of real frameworks.

pub mod deepspeed;
pub mod hf_trainer;
pub mod lightning;
pub mod litgpt;
pub mod megatron;
pub mod nanogpt;
pub mod plain;
pub mod servers;
pub mod torchtitan;
pub mod tqdm;
