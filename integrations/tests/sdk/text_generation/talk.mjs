// The platforms' own clients talk to the sandboxes: node talk.mjs <openai|openrouter|anthropic> <base url> <key> <model>
// Prints one JSON object: what came of it.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [dialect, baseURL, apiKey, model] = process.argv.slice(2);
const question = "Tell our regulars about the new rye bread.";

const failed = async (work) => {
  try {
    await work();
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status ?? null };
  }
};

const openai = async () => {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const ask = (content, more = {}) => ({
    model,
    max_completion_tokens: 400,
    messages: [{ role: "user", content }],
    ...more,
  });
  const whole = await client.chat.completions.create(ask(question));
  let streamed = "";
  let pieces = 0;
  let usage = null;
  const options = dialect === "openai" ? { stream_options: { include_usage: true } } : {};
  const stream = await client.chat.completions.create(ask(question, { stream: true, ...options }));
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta?.content ?? "";
    streamed += text;
    pieces += text === "" ? 0 : 1;
    usage = chunk.usage ?? usage;
  }
  const format = {
    type: "json_schema",
    json_schema: {
      name: "mail",
      strict: true,
      schema: {
        type: "object",
        additionalProperties: false,
        required: ["subject"],
        properties: { subject: { type: "string" } },
      },
    },
  };
  const shaped = await client.chat.completions.create(ask(question, { response_format: format }));
  let models = 0;
  for await (const _ of client.models.list()) models += 1;
  return {
    whole: whole.choices[0].message.content,
    finish: whole.choices[0].finish_reason,
    streamed,
    pieces,
    read: usage?.prompt_tokens,
    written: usage?.completion_tokens,
    subject: JSON.parse(shaped.choices[0].message.content).subject,
    models,
    broken: await failed(async () => {
      for await (const _ of await client.chat.completions.create(ask("[[fail]]", { stream: true })));
    }),
    unknown: await failed(() => client.chat.completions.create(ask(question, { model: "no/such" }))),
    stranger: await failed(() =>
      new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 }).chat.completions.create(ask(question)),
    ),
  };
};

const anthropic = async () => {
  const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
  const ask = (content, more = {}) => ({
    model,
    max_tokens: 400,
    messages: [{ role: "user", content }],
    ...more,
  });
  const whole = await client.messages.create(ask(question));
  const stream = client.messages.stream(ask(question));
  let streamed = "";
  let pieces = 0;
  stream.on("text", (text) => {
    streamed += text;
    pieces += 1;
  });
  const { usage } = await stream.finalMessage();
  const format = {
    type: "json_schema",
    schema: { type: "object", properties: { subject: { type: "string" } } },
  };
  const shaped = await client.messages.create(ask(question, { output_config: { format } }));
  let models = 0;
  for await (const _ of client.models.list({ limit: 50 })) models += 1;
  const { input_tokens: counted } = await client.messages.countTokens({
    model,
    messages: [{ role: "user", content: question }],
  });
  return {
    whole: whole.content[0].text,
    finish: whole.stop_reason,
    streamed,
    pieces,
    read: usage.input_tokens,
    written: usage.output_tokens,
    counted,
    subject: JSON.parse(shaped.content[0].text).subject,
    models,
    broken: await failed(() => client.messages.stream(ask("[[fail]]")).finalMessage()),
    unknown: await failed(() => client.messages.create(ask(question, { model: "none" }))),
    stranger: await failed(() =>
      new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 }).messages.create(ask(question)),
    ),
  };
};

console.log(JSON.stringify(await (dialect === "anthropic" ? anthropic() : openai())));
