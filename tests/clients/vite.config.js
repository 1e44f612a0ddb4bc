// Vite, with Relay's plugin: it puts what relay-compiler has made in the place of each graphql`…`.

import { defineConfig } from "vite";
import relay from "vite-plugin-relay";

export default defineConfig({ plugins: [relay] });
