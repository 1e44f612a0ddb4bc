use std::time::Duration;
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    url: String,
}
#[derive(Debug, thiserror::Error)]
#[error("url")]
pub struct UrlError;
#[derive(Debug, Clone)]
pub struct StartupOptions {
    pub application_name: String,
    pub connect_timeout: Duration,
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub idle_in_transaction_timeout: Duration,
}
impl ConnectOptions {
    pub fn parse(url: &str, _o: StartupOptions) -> Result<Self, UrlError> {
        Ok(Self {
            url: url.to_owned(),
        })
    }
    pub async fn connect(&self) -> diesel::ConnectionResult<diesel_async::AsyncPgConnection> {
        <diesel_async::AsyncPgConnection as diesel_async::AsyncConnection>::establish(&self.url)
            .await
    }
}
impl std::fmt::Display for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("postgres")
    }
}
