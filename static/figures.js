// @ts-check
/// <reference lib="dom" />
import { byId, digits } from "./dom.js";

const COUNT_MS = 2000;
const SECOND_MS = 1000;
const CHART = { seconds: 60, width: 180, height: 32, gap: 0.8, scaleMin: 5 };

/** Counts of clients and messages. */
export class Figures {
  #access;
  #received = 0;
  #second = 0;
  /** @type {number[]} */ #seconds = Array(CHART.seconds).fill(0);

  /** @param {import("./access.js").Access} access */
  constructor(access) {
    this.#access = access;
    setInterval(() => this.#tick(), SECOND_MS);
    setInterval(() => this.showClients(), COUNT_MS);
    document.addEventListener("visibilitychange", () => this.showClients());
    this.showClients();
    this.#draw();
  }

  /** Counts a message. */
  heard() {
    this.#received++;
    this.#second++;
  }

  async showClients() {
    if (document.hidden) return;
    // The state of the connection already shows that the server is away.
    const answer = await this.#access.tryFetch("count").catch(() => ({}));
    byId("clients").textContent = Number.isInteger(answer.count) ? digits(answer.count) : "–";
  }

  #tick() {
    this.#seconds.shift();
    this.#seconds.push(this.#second);
    this.#second = 0;
    if (document.hidden) return;
    byId("received").textContent = digits(this.#received);
    byId("rate").textContent = digits(this.#seconds.at(-1) ?? 0);
    this.#draw();
  }

  #draw() {
    const { width, height, gap, scaleMin } = CHART;
    const most = Math.max(...this.#seconds, scaleMin);
    const step = width / this.#seconds.length;
    const bars = this.#seconds.map((amount, index) => {
      const barHeight = height * amount / most;
      const [x, y] = [index * step + gap / 2, height - barHeight];
      return `M${x.toFixed(1)} ${y.toFixed(1)}h${step - gap}v${barHeight.toFixed(1)}h${
        gap - step
      }z`;
    });
    byId("chart").setAttribute("d", bars.join(""));
  }
}
