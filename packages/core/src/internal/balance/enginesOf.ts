/**
 * The engines of calls of one of several peers. Bundlers for browsers take `enginesLater` in the place of this (`browser` in package.json), so that a page
 * that calls each peer by its name does not load what is behind them.
 */
export { enginesOf } from "./engines.ts"
