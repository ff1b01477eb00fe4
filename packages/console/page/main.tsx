/** The page: what it shows is in `App`, what it knows in `store/state.ts`, and how it comes to know in `api/link.ts`. */
import { render } from "preact"
import { start } from "./api/link.ts"
import { App } from "./App.tsx"
import { follow } from "./go.ts"
import { keys } from "./keys.ts"
import { begin } from "./look.ts"
import { now } from "./store/state.ts"

begin()
follow()
keys()
setInterval(() => {
  if (document.visibilityState === "visible") now.value = Date.now()
}, 1_000)
start()
render(<App />, document.querySelector("#app")!)
