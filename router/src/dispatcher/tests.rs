mod bench;
mod fleet;
mod orchestrators;
mod releases;
mod twice;
