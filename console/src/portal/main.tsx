import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../parts/theme.css';

const root = document.getElementById('root');
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <main className="boot">
        <h1>Longshore</h1>
      </main>
    </StrictMode>,
  );
