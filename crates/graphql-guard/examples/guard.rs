//! Guards a library of books: `cargo run -p graphql-guard --example guard '{ titles(first: 1) }'`.

use async_graphql::{EmptyMutation, EmptySubscription, Object, Response, Schema};
use graphql_guard::{Guard, Settings};

struct Library;

#[Object]
impl Library {
    async fn titles(&self, #[graphql(default = 2)] first: usize) -> Vec<&str> {
        ["Emma", "Persuasion"].into_iter().take(first).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::new(Library, EmptyMutation, EmptySubscription);
    let mut settings = Settings::default();
    settings.limits.root_fields = 3;
    let guard = Guard::new(&schema.sdl(), settings)?;
    let document = std::env::args().nth(1).unwrap_or_default();
    let response = match guard.request(document.into()) {
        Ok(request) => schema.execute(request).await,
        Err(errors) => Response::from_errors(errors.into_iter().map(Into::into).collect()),
    };
    println!("{}", serde_json::to_string(&response)?);
    Ok(())
}
