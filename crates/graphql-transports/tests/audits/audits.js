// The audits of the npm package `graphql-http`: GraphQL over HTTP, requirement by requirement.
//
//     node audits.js http://127.0.0.1:8000/graphql
//
// Prints what is not met and the count, and fails unless all are met: the SHOULDs and MAYs are promises here.
// Introspection must be on, since some audits ask for `__type`.

import { serverAudits } from "graphql-http";

const url = process.argv[2] ?? "http://127.0.0.1:8000/graphql";

// Fewer would mean that the package has dropped some, which is for a person to look at.
const EXPECTED = 61;

const audits = serverAudits({ url });
let met = 0;
for (const audit of audits) {
  let result;
  try {
    result = await audit.fn();
  } catch (error) {
    result = { status: "error", reason: String(error.cause ?? error) };
  }
  if (result.status === "ok") {
    met += 1;
  } else {
    console.error(`${result.status}: ${audit.id} ${audit.name}: ${result.reason}`);
  }
}
console.log(`${met} of ${audits.length} audits`);
process.exitCode = met === audits.length && met >= EXPECTED ? 0 : 1;
