/**
 * The topics of a node. Bundlers for browsers take `openLater` in the place of this (`browser` in package.json), so that a page without topics does not load
 * what is behind them.
 */
export { open } from "./nodeTopics.ts"
