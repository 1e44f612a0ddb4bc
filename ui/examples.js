// The operations that both pages begin with, and where both send them.
"use strict";

// The page is served at the very address that it talks to.
const endpoint = new URL(location.pathname, location.href).href;
const socketEndpoint = endpoint.replace(/^http/, "ws");

// The first has no variables: of its first tab GraphiQL takes the operation only.
const examples = [
  {
    name: "NewestArticles",
    title: "Newest articles",
    query: `# The newest articles first.
query NewestArticles {
  articles(limit: 10, orderBy: CREATED_AT_DESC) {
    id
    title
    slug
    createdAt
  }
}
`,
    variables: "",
  },
  {
    name: "CreateArticle",
    title: "Create an article",
    query: `# The slug is made from the title where it is left out.
mutation CreateArticle($input: CreateArticleInput!) {
  createArticle(input: $input) {
    id
    title
    slug
    text
    createdAt
    version
  }
}
`,
    variables: '{\n  "input": {\n    "title": "Hello, world",\n    "text": "The first article."\n  }\n}',
  },
  {
    name: "ArticleBySlug",
    title: "One article by its slug",
    query: `# Null where there is none.
query ArticleBySlug($slug: String!) {
  article(by: { slug: $slug }) {
    id
    title
    text
    createdAt
    updatedAt
    version
  }
}
`,
    variables: '{\n  "slug": "hello-world"\n}',
  },
  {
    name: "LiveChanges",
    title: "Live changes",
    query: `# Stays open: create an article in another tab and see it arrive here.
subscription LiveChanges {
  articleChanges {
    kind
    articleId
    article {
      title
    }
  }
}
`,
    variables: "",
  },
  {
    name: "PageOfArticles",
    title: "A page of articles",
    query: `# Give endCursor back as "after" for the next page.
query PageOfArticles($first: Int = 5, $after: String) {
  articlesConnection(first: $first, after: $after) {
    totalCount
    nodes {
      id
      title
      slug
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`,
    variables: '{\n  "first": 5,\n  "after": null\n}',
  },
];
