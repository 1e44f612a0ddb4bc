//! The requests and the expected responses: for each workload a GraphQL request, as a front end sends it (the document
//! stays the same, the variables vary), and the REST request that returns the same fields.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use anyhow::{Context as _, Result, bail, ensure};
use broadsheet_bench::article::{self, Article, Random, loaded_slug};
use chrono::DateTime;
use memchr::memmem::{Finder, find};
use serde_json::{Value, json};

use crate::options::Workload;

const ARTICLE: &str = "query Article($slug: String!) {\n  article(by: {slug: $slug}) {\n    id\n    title\n    slug\n    \
    text\n    createdAt\n    updatedAt\n  }\n}";
const NEWEST: &str = "query Newest($limit: Int!) {\n  articles(limit: $limit) {\n    id\n    title\n    slug\n    \
    text\n    createdAt\n    updatedAt\n  }\n}";
const PAGE: &str = "query Page($first: Int!, $after: String) {\n  articlesConnection(first: $first, after: $after) \
    {\n    nodes {\n      id\n      title\n      slug\n      text\n      createdAt\n      updatedAt\n    }\n    \
    pageInfo {\n      hasNextPage\n      endCursor\n    }\n  }\n}";
const CREATE: &str = "mutation Create($input: CreateArticleInput!) {\n  createArticle(input: $input) {\n    id\n    \
    slug\n    createdAt\n  }\n}";
/// How many articles a page has.
const PAGE_SIZE: u32 = 20;

/// The protocol of a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    GraphQl,
    Rest,
}

/// The requests of one run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) language: Language,
    pub(crate) workload: Workload,
    /// The number of loaded articles.
    pub(crate) articles: u32,
    /// The contestant's cursor of each loaded article, by number.
    pub(crate) cursors: Arc<Vec<String>>,
    /// Different in each run, so that the slugs of created articles are, too.
    pub(crate) run: u32,
    /// The article for lookups and cursors, instead of random ones.
    pub(crate) only: Option<u32>,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<Arc<str>>,
}

/// The expected response.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The loaded article with this number.
    Article(u32),
    /// A page of articles, beginning with this one if it is known.
    Articles(Option<u32>),
    /// The article with this slug.
    Created(String),
}

/// One connection's part of a plan.
pub(crate) struct Requests {
    plan: Plan,
    connection: usize,
    random: Random,
    created: u32,
    /// The header line with the credential, if any.
    authorization: String,
    body: Vec<u8>,
}

impl Requests {
    pub(crate) fn new(plan: Plan, connection: usize) -> Self {
        let seed = u64::from(plan.run) << 32 | connection as u64;
        let authorization = plan.authorization.as_deref();
        Self {
            authorization: authorization
                .map(|value| format!("authorization: {value}\r\n"))
                .unwrap_or_default(),
            plan,
            connection,
            // Far from the seeds of the loaded articles.
            random: Random::new(!seed),
            created: 0,
            body: Vec::new(),
        }
    }

    /// Writes the next request into an emptied buffer.
    pub(crate) fn next(&mut self, request: &mut Vec<u8>) -> Result<Expected> {
        let workload = match self.plan.workload {
            Workload::Mix => match self.random.below(100) {
                0..90 => Workload::Slug,
                90..98 => Workload::Newest,
                _ => Workload::Create,
            },
            workload => workload,
        };
        request.clear();
        self.body.clear();
        let rest = self.plan.language == Language::Rest;
        match workload {
            Workload::Slug | Workload::Mix => {
                let random = self.random.below(self.plan.articles);
                let number = self.plan.only.unwrap_or(random);
                let slug = loaded_slug(number);
                if rest {
                    get(request, format_args!("/articles/{slug}"))?;
                } else {
                    self.graphql(request, "Article", ARTICLE, &json!({ "slug": slug }))?;
                }
                Ok(Expected::Article(number))
            }
            Workload::Newest => {
                if rest {
                    get(request, format_args!("/articles?limit={PAGE_SIZE}"))?;
                } else {
                    self.graphql(request, "Newest", NEWEST, &json!({ "limit": PAGE_SIZE }))?;
                }
                let first = self.plan.articles.checked_sub(1);
                // In a mix, newer articles may have been created.
                Ok(Expected::Articles(match self.plan.workload {
                    Workload::Mix => None,
                    _ => first,
                }))
            }
            Workload::Page => {
                let span = self.plan.articles.saturating_sub(PAGE_SIZE).max(1);
                let random = PAGE_SIZE + self.random.below(span);
                let number = self.plan.only.unwrap_or(random);
                let cursors = Arc::clone(&self.plan.cursors);
                let cursor = cursors.get(number as usize).context("no such cursor")?;
                if rest {
                    let path = format_args!("/articles?limit={PAGE_SIZE}&after={cursor}");
                    get(request, path)?;
                } else {
                    let variables = json!({ "first": PAGE_SIZE, "after": cursor });
                    self.graphql(request, "Page", PAGE, &variables)?;
                }
                Ok(Expected::Articles(Some(number - 1)))
            }
            Workload::Create => {
                let title = article::title(&mut self.random);
                let slug = format!(
                    "{}-{}-{}-{}",
                    title.to_ascii_lowercase().replace(' ', "-"),
                    self.plan.run,
                    self.connection,
                    self.created
                );
                self.created += 1;
                let text = article::text(&mut self.random);
                let input = json!({ "title": title, "slug": slug, "text": text });
                if rest {
                    serde_json::to_writer(&mut self.body, &input)?;
                    post(request, "/articles", &self.authorization, &self.body)?;
                } else {
                    self.graphql(request, "Create", CREATE, &json!({ "input": input }))?;
                }
                Ok(Expected::Created(slug))
            }
        }
    }

    fn graphql(
        &mut self,
        request: &mut Vec<u8>,
        name: &str,
        document: &str,
        variables: &Value,
    ) -> Result<()> {
        let body = &mut self.body;
        write!(body, "{{\"operationName\":\"{name}\",\"variables\":")?;
        serde_json::to_writer(&mut *body, variables)?;
        body.extend_from_slice(b",\"query\":");
        serde_json::to_writer(&mut *body, document)?;
        body.push(b'}');
        post(request, "/graphql", &self.authorization, body)
    }
}

fn get(request: &mut Vec<u8>, path: std::fmt::Arguments<'_>) -> Result<()> {
    let accept = "accept: application/json\r\n\r\n";
    Ok(write!(
        request,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\n{accept}"
    )?)
}

fn post(request: &mut Vec<u8>, path: &str, authorization: &str, body: &[u8]) -> Result<()> {
    write!(
        request,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\n{authorization}content-type: application/json\r\n\
        accept: application/graphql-response+json, application/json;q=0.9\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )?;
    request.extend_from_slice(body);
    Ok(())
}

impl Expected {
    /// A search through the bytes, cheap enough for every response.
    pub(crate) fn check(&self, body: &[u8]) -> Result<()> {
        static SLUG: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\"slug\":\""));
        let right = match self {
            Self::Article(number) => has_slug(body, &loaded_slug(*number)),
            Self::Created(slug) => has_slug(body, slug),
            Self::Articles(first) => {
                SLUG.find_iter(body).count() == PAGE_SIZE as usize
                    && first.is_none_or(|number| has_slug(body, &loaded_slug(number)))
            }
        };
        // The result of a failed request begins with `{"data":null` or has no `data`. If only some fields failed,
        // async-graphql and Broadsheet put the errors at the end, so only the end is searched.
        let end = body
            .get(body.len().saturating_sub(64)..)
            .unwrap_or_default();
        if right && find(end, b"\"errors\":").is_none() {
            return Ok(());
        }
        let start = body.get(..body.len().min(300)).unwrap_or_default();
        bail!("{self:?} got {}", String::from_utf8_lossy(start))
    }

    /// Parses the whole response and compares it with the loaded articles.
    pub(crate) fn check_thoroughly(&self, body: &[u8]) -> Result<()> {
        let answer: Value = serde_json::from_slice(body)?;
        ensure!(answer.get("errors").is_none(), "errors: {answer}");
        let root = answer.get("data").unwrap_or(&answer);
        match self {
            Self::Article(number) => same(root.get("article").unwrap_or(root), *number),
            Self::Created(slug) => {
                let created = root.get("createArticle").unwrap_or(root);
                let got = created.get("slug").and_then(Value::as_str);
                ensure!(got == Some(slug), "created {slug}, got {created}");
                ensure!(created["createdAt"].is_string(), "no createdAt");
                Ok(())
            }
            Self::Articles(first) => {
                let list = root.get("articlesConnection").unwrap_or(root);
                if list.get("pageInfo").or(list.get("hasNextPage")).is_some() {
                    let info = list.get("pageInfo").unwrap_or(list);
                    ensure!(info["hasNextPage"].is_boolean(), "no hasNextPage");
                }
                let list = list.get("nodes").or(list.get("articles"));
                let list = list.and_then(Value::as_array).context("no articles")?;
                let Some(first) = *first else { return Ok(()) };
                ensure!(list.len() == PAGE_SIZE as usize, "{} articles", list.len());
                (0..=first)
                    .rev()
                    .zip(list)
                    .try_for_each(|(number, article)| same(article, number))
            }
        }
    }
}

fn has_slug(body: &[u8], slug: &str) -> bool {
    find(body, format!("\"slug\":\"{slug}\"").as_bytes()).is_some()
}

fn same(got: &Value, number: u32) -> Result<()> {
    let expected = Article::loaded(number);
    let text = |name: &str| got.get(name).and_then(Value::as_str).unwrap_or_default();
    let created_at = DateTime::parse_from_rfc3339(text("createdAt"))?;
    ensure!(
        text("title") == expected.title
            && text("slug") == expected.slug
            && text("text") == expected.text
            && created_at == expected.created()
            && text("id").len() == 36
            && !text("updatedAt").is_empty(),
        "article {number} is not as it was loaded: {got}"
    );
    Ok(())
}
