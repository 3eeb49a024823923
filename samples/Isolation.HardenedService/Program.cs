using System.Globalization;
using Isolation.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

// Before anything else: no thread, library or request runs without these restrictions.
int port = args is [var text, ..] ? int.Parse(text, CultureInfo.InvariantCulture) : 8080;
SandboxReport report = Sandbox.RestrictByReexecuting(s => s
    .Runtime()                          // what the CLR reads
    .BindTcp(port)                      // the one port that it listens on; it connects nowhere
    .Seccomp(SeccompFilter.DotNet)      // the system calls of a CLR, on every thread
    .DropAll());                        // no capability, even if root started it

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
builder.WebHost.UseUrls(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"));
WebApplication app = builder.Build();

app.MapGet("/", () => $"seccomp: {report.Seccomp}, Landlock: {report.Landlock}");
app.MapGet("/read", (string path) =>
{
    // A request that makes the service read any path: the bug that the sandbox contains.
    try
    {
        return Results.Text(File.ReadAllText(path));
    }
    catch (UnauthorizedAccessException)
    {
        return Results.StatusCode(StatusCodes.Status403Forbidden);
    }
});
await app.RunAsync();
