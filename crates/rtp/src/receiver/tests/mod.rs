mod loss;
mod session;
mod sync;
