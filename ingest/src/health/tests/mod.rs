mod figures;
mod odd_input;
mod rig;
mod warnings;
