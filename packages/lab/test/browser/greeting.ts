// What the page of browser.test.ts runs.
declare const document: { title: string }

const { exclaim } = await import("./later.ts")
document.title = exclaim("hello")
export {}
