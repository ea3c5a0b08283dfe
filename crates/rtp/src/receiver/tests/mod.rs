mod absurd;
mod loss;
mod session;
mod sync;
