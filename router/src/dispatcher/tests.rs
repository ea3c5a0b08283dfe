mod bench;
mod codecs;
mod fleet;
mod orchestrators;
mod ready_made;
mod releases;
mod twice;
