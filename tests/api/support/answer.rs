//! A whole response.

/// A whole response. It is displayed as its JSON, after its status if that is not 200.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The `code` of the first error, or an empty text.
    pub(crate) fn code(&self) -> String {
        let code = &self.json()["errors"][0]["extensions"]["code"];
        code.as_str().unwrap_or_default().to_owned()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.status != 200 {
            writeln!(f, "{}", self.status)?;
        }
        // Parsed by async-graphql's type, which keeps the order of fields.
        match serde_json::from_str::<async_graphql::Value>(&self.body) {
            Ok(json) => f.write_str(&serde_json::to_string_pretty(&json).unwrap()),
            Err(_) => f.write_str(&self.body),
        }
    }
}
