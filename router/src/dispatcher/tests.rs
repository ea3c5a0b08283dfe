mod bench;
mod codecs;
mod fleet;
mod orchestrators;
mod releases;
mod twice;
