import "graphiql/setup-workers/vite";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./style.css";
import { createRoot } from "react-dom/client";
import { Console } from "./console";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has an element with the id `root`");
createRoot(root).render(<Console />);
