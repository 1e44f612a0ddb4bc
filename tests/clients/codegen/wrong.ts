// What the types refuse: each line would be an error without its comment, and is one where the comment is not needed.

import { execute } from "./example.js";
import { graphql } from "./gql/gql.js";

const OneArticle = graphql(`
  query OneArticle($by: ArticleBy!) {
    article(by: $by) {
      title
    }
  }
`);

export async function wrong(url: string): Promise<void> {
  // @ts-expect-error an article is found by its id or its slug, not by both
  await execute(url, OneArticle, { by: { id: "1", slug: "one" } });
  // @ts-expect-error the variable must be given
  await execute(url, OneArticle, {});
  const { article } = await execute(url, OneArticle, { by: { slug: "one" } });
  // @ts-expect-error there may be no such article
  article.title;
  // @ts-expect-error the text was not asked for
  article?.text;
}
