//! The estimate of how many articles a search matches, which decides how a list is read.

use std::sync::Arc;

use broadsheet::article::page::{End, PageRequest, Wanted};
use broadsheet::article::search::Search;
use broadsheet::article::{ArticleOrder, Filter};
use broadsheet::budget::ResponseBudget;
use broadsheet::store::Statements;
use rstest_reuse::apply;

use super::frequent::{articles, fill};
use crate::in_process::in_process;
use crate::support::{Database, on_both_databases};

#[apply(on_both_databases)]
async fn a_search_that_is_repeated_is_estimated_once(database: Database) {
    let app = in_process!(database);
    fill(&app, database, &articles()).await;
    let budget = ResponseBudget::new(1 << 20);
    let mut request = PageRequest {
        filter: Filter::ALL,
        order: ArticleOrder::CreatedAtDesc,
        size: 10,
        end: End::Front,
        after: None,
        before: None,
        wanted: Wanted {
            next: true,
            previous: true,
            ..Wanted::default()
        },
    };
    let page = app.store.page(request.clone(), &budget).await.unwrap();
    // Its neighbours are searched for as well.
    request.filter = Search::parse("every").unwrap();
    request.after = Some(page.articles[2].cursor.clone());
    request.before = Some(page.articles[6].cursor.clone());
    for expected in [1, 0] {
        let statements = Arc::new(Statements::keeping_each());
        let page = statements.scope(app.store.page(request.clone(), &budget));
        let page = page.await.unwrap();
        assert_eq!(page.articles.len(), 3);
        assert!(page.has_next && page.has_previous);
        let each = statements.each();
        let estimates = each.iter().filter(|statement| {
            statement.sql.starts_with("EXPLAIN") || statement.sql.starts_with("SELECT count(*), ")
        });
        assert_eq!(estimates.count(), expected, "{each:?}");
    }
}
