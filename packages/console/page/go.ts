/** Ways through the page. */
import { read, type View, write } from "./route.ts"
import { route } from "./store/state.ts"

/** Goes somewhere, from where one comes back by the browser's button. */
export const go = (hash: string): void => {
  if (location.hash !== hash) location.hash = hash
}

/** Says in the URL how the view is looked at, which is no step to come back from. */
export const look = (changes: Readonly<Record<string, string | undefined>>): void => {
  const { of, query, view } = route.value
  const hash = write(view, of, { ...query, ...changes })
  if (location.hash === hash) return
  history.replaceState(null, "", hash)
  route.value = read(hash)
}

/** Follows the URL. */
export const follow = (): void => {
  const take = () => {
    const before = route.value
    route.value = read(location.hash)
    if (before.view !== route.value.view || before.of !== route.value.of) {
      document.querySelector("[data-scroll]")?.scrollTo(0, 0)
    }
  }
  route.value = read(location.hash)
  addEventListener("hashchange", take)
}

export const viewLink = (view: View): string => write(view)
